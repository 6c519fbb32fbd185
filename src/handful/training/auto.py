"""Which method ``auto`` stands for.

The method ``auto`` stands for the method of this library that was shown to suit a problem of the
same kind. Only what is known of a problem before training decides, and nothing that happens in
training. A problem may itself say which method was measured to suit it (``RMDP.suited_method``);
``universal`` only under the conditions below, but also for one policy. Otherwise:

* It names outcomes that a policy might keep up (``RMDP.constant_outcomes``), and nothing but the
  time limit ends an episode (``never_terminates`` of the environment): ``universal`` under the
  conditions below, but also for one policy, and otherwise ``em``.
* It names such outcomes, episodes may end early, and the learner has actors that can share layers:
  ``family-em``. Robots that may fall have to learn to stay on their feet, which is the same for all
  users. For the learner ``sac``, and for the caller's own networks as actors, which cannot share
  layers, the rules below hold.
* Its actions are finite, its environment is deterministic (so that an episode can be played
  again), and episodes are short enough for a batch to hold whole ones: ``elite-em``. If such a
  problem shows few different observations, ``universal`` computes policies from counts, and is
  taken under the conditions below.
* Its policies draw a part for each episode (``with_draw``): ``universal``, which looks for parts,
  under the conditions below.
* The learner knows what policies earn without playing them, as
  :class:`~handful.learner.counting.Counting` does, so that a policy for one user is known soon and
  costs little: ``pooled-em``.
* There are at least :data:`FEWEST_FOR_UNIVERSAL` transitions in all, and a learner that has a
  universal policy: ``universal``. It leaves the poor optima in which EM stops. A single policy for
  everybody has none to leave, unless it draws; for one it is only where the problem shows few
  different observations, so that policies can be computed from counts.
* Otherwise ``em``.

Where the welfare is not the utilitarian one, ``universal`` takes the place of those of these
methods that choose by what the mean user earns (``only_utilitarian`` of a method's ``info``), under
the same conditions as above, and otherwise ``em``.

``docs/methods.md`` has the measurements.
"""

from handful.collect.determinism import is_deterministic
from handful.envs.drawn import num_parts
from handful.learner import Learner
from handful.learner.universal_learners import universal_learner
from handful.methods import AUTO, METHODS
from handful.problem import RMDP
from handful.training.collecting import CollectConfig
from handful.training.universal.survey import shows_few_observations
from handful.welfare import UTILITARIAN

UNIVERSAL = "universal"
"""The name of the method that suits most problems."""

LONGEST = 2
"""The number of batches that the longest episode may last for ``elite-em``. Most episodes are
shorter, and the method remembers those that lie in one batch."""

FEWEST_FOR_UNIVERSAL = 50_000
"""The fewest transitions, of all policies together, for which a universal policy comes first: about
a hundred updates of the smallest batch."""


def concrete_method(
    problem: RMDP,
    method: str,
    learner: Learner,
    collect: CollectConfig,
    num_policies: int,
    steps: int,
    welfare: str = UTILITARIAN,
    universal: Learner | None = None,
) -> str:
    """Return the method of that name, or the one that ``auto`` stands for in a run.

    Args:
        problem: the problem that is trained on.
        method: the name of the method.
        learner: the learner, with its settings.
        collect: how transitions are collected.
        num_policies: the budget ``K``.
        steps: the transitions for each policy.
        welfare: the name of the welfare function.
        universal: the learner with the settings that suit the method ``universal``; by default the
            same.
    """
    if method != AUTO:
        return method
    universal = universal or learner
    suited = _suited_method(problem, learner, collect, num_policies, steps, universal)
    if welfare != UTILITARIAN and METHODS.find(suited).info.only_utilitarian:
        return _general_method(problem, universal, num_policies, steps)
    return suited


def _suited_method(
    problem: RMDP,
    learner: Learner,
    collect: CollectConfig,
    num_policies: int,
    steps: int,
    universal: Learner,
) -> str:
    if problem.suited_method not in (None, UNIVERSAL):
        return problem.suited_method
    if _asks_for_universal(problem):
        return _general_method(problem, universal, num_policies, steps)
    if problem.constant_outcomes is not None and learner.can_share_layers:
        return "family-em"
    if learner.knows_returns:
        return "pooled-em"
    general = _general_method(problem, universal, num_policies, steps)
    is_short = problem.environment.time_limit <= LONGEST * collect.num_steps
    if not is_short or not is_deterministic(problem):
        return general
    is_counted = general == UNIVERSAL and shows_few_observations(problem)
    return general if is_counted else "elite-em"


def _general_method(problem: RMDP, universal: Learner, num_policies: int, steps: int) -> str:
    """Return the method that suits any welfare, and problems of which nothing is known."""
    is_enough = num_policies * steps >= FEWEST_FOR_UNIVERSAL
    if (
        not is_enough
        or universal_learner(universal, problem.environment.action_space, 1, 0.0) is None
    ):
        return "em"
    asks = _asks_for_universal(problem)
    has_more = num_policies > 1 or asks or shows_few_observations(problem)
    return UNIVERSAL if has_more else "em"


def _asks_for_universal(problem: RMDP) -> bool:
    """Return whether ``universal`` suits a problem for any number of policies."""
    says_so = problem.suited_method == UNIVERSAL
    return num_parts(problem) > 1 or says_so or _keeps_up_outcomes(problem)


def _keeps_up_outcomes(problem: RMDP) -> bool:
    """Return whether a problem names outcomes, and nothing ends their keeping up too early."""
    never_terminates = getattr(problem.environment, "never_terminates", False)
    return problem.constant_outcomes is not None and never_terminates
