"""The method ``auto``: the one of ours that has been shown to suit a problem of this kind.

What is known of a problem before training decides, and nothing that happens in it. A problem may
say itself which method was measured to suit it (``RMDP.suited_method``); else:

* It names outcomes that a policy might keep up (``RMDP.constant_outcomes``), and nothing but the
  time limit ends an episode (``never_terminates`` of the environment): ``planned-em``.
* It names such outcomes, and episodes may end early: ``family-em``. Robots that may fall have to
  learn to stay on their feet, which is the same for all.
* Its actions are finite, nothing is left to chance, so that an episode that was played once can be
  played again, and episodes are short enough for a batch to hold whole ones: ``elite-em``.
* The learner counts (``PPOConfig.counts``), so that a policy for one user is known soon and costs
  little: ``pooled-em``.
* Otherwise ``em``, which the others have not been shown to beat there.

``docs/methods.md`` has the measurements.
"""

from handful.collect.determinism import is_deterministic
from handful.learner.config import PPOConfig
from handful.problem import RMDP

AUTO = "auto"
"""The method's name."""


LONGEST = 2
"""Batches, in steps of an environment, that an episode may last for ``elite-em``: most episodes are
shorter than the longest, and those that lie in one batch are remembered."""


def concrete_method(problem: RMDP, method: str, learner: PPOConfig) -> str:
    """The method of that name, or what ``auto`` stands for with these settings of the learner."""
    if method != AUTO:
        return method
    if problem.suited_method is not None:
        return problem.suited_method
    if problem.constant_outcomes is not None:
        never_terminates = getattr(problem.environment, "never_terminates", False)
        return "planned-em" if never_terminates else "family-em"
    if learner.counts:
        return "pooled-em"
    is_short = problem.environment.time_limit <= LONGEST * learner.num_steps
    return "elite-em" if is_short and is_deterministic(problem) else "em"
