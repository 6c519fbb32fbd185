"""The method ``auto``: the one of ours that has been shown to suit a problem of this kind.

What is known of a problem before training decides, and nothing that happens in it:

* It names outcomes that a policy might keep up (``RMDP.constant_outcomes``), and nothing but the
  time limit ends an episode (``never_terminates`` of the environment): ``planned-em``. Robots that
  may fall learn to stay on their feet first, and a plan leads them where they cannot.
* Its actions are finite and nothing is left to chance, so that an episode that was played once can
  be played again: ``elite-em``.
* The learner counts (``PPOConfig.counts``), so that a policy for one user is known soon and costs
  little: ``pooled-em``.
* Otherwise ``em``, which the others have not been shown to beat there.

``docs/methods.md`` has the measurements.
"""

from collections.abc import Mapping
from typing import Any

from handful.collect.determinism import is_deterministic
from handful.problem import RMDP

AUTO = "auto"
"""The method's name."""


def concrete_method(problem: RMDP, method: str, learner_settings: Mapping[str, Any]) -> str:
    """The method of that name, or what ``auto`` stands for.

    Args:
        learner_settings: that the problem asks for.
    """
    if method != AUTO:
        return method
    never_terminates = getattr(problem.environment, "never_terminates", False)
    if problem.constant_outcomes is not None and never_terminates:
        return "planned-em"
    if learner_settings.get("counts"):
        return "pooled-em"
    return "elite-em" if is_deterministic(problem) else "em"
