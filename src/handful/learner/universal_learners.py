"""The universal learner whose policies another learner can go on with."""

import dataclasses

from handful.environment import ActionSpace, Box
from handful.learner.base import Learner, UniversalLearner
from handful.learner.ppo import PPO
from handful.learner.soft_actor_critic import SAC
from handful.learner.universal import UniversalPPO
from handful.learner.universal_sac import UniversalSAC

FINITE = {"num_epochs": 12, "target_kl": 0.02}
"""The settings that differ where actions are finite. A robot was learnt best with a step size that
does not adapt, and a third as well with twelve epochs."""

KEPT = (
    "entropy_coefficient",
    "final_entropy_coefficient",
    "discount",
    "gae_lambda",
    "clip_range",
    "hidden_sizes",
    "initial_log_std",
    "learnable_log_std",
    "random_actions",
    "normalize_observations",
    "max_grad_norm",
)
"""The settings of PPO that a universal policy has in common with those that go on from it."""


def universal_learner(
    learner: Learner,
    space: ActionSpace,
    context_size: int,
    group_share: float,
    stretch: int = 0,
    curriculum: bool = True,
    starts: int = 1,
) -> UniversalLearner | None:
    """Return the learner of one policy for all users, whose policies a learner can go on with.

    Of PPO's settings, those that belong to the problem are kept: discount, spread, entropy and the
    like. Step sizes, epochs and minibatches are those of :class:`UniversalPPO`.

    Args:
        learner: the learner that goes on with the policies.
        space: the actions.
        context_size, group_share, stretch, curriculum, starts: the same as in
            :class:`UniversalPPO`; the learner ``sac`` has one start always.

    Returns:
        The learner; None if the given one has none.
    """
    if isinstance(learner, SAC):
        settings = {one.name: getattr(learner, one.name) for one in dataclasses.fields(SAC)}
        return UniversalSAC(
            context_size=context_size,
            group_share=group_share,
            curriculum=curriculum,
            **settings,
        )
    if not isinstance(learner, PPO):
        return learner.universal(context_size, group_share)
    if learner.has_own_network or not learner.hidden_sizes:
        return None
    kept = {name: getattr(learner, name) for name in KEPT}
    suited = {} if isinstance(space, Box) else FINITE
    return UniversalPPO(
        context_size=context_size,
        group_share=group_share,
        stretch=stretch,
        curriculum=curriculum,
        starts=starts,
        **kept,
        **suited,
    )
