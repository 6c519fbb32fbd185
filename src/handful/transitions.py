"""A batch of experience, which every collector gives and the learner takes."""

import equinox as eqx
import jax

from handful.types import Array, Bool, Float


class Transitions(eqx.Module):
    """``T`` steps of ``B`` environments for each of ``K`` policies.

    Attributes:
        observations: the raw observation before each step.
        actions: the raw actions as sampled; continuous ones are not clipped.
        log_probs: the log-probabilities of the actions under the policies that took them.
        features: the reward features of each step.
        next_observations: the raw observation after each step; at the end of an episode its final
            observation, never the one of the reset.
        terminated, truncated: whether and how an episode ended with this step.
    """

    observations: Float[Array, "K T B O"]
    actions: Array
    log_probs: Float[Array, "K T B"]
    features: Float[Array, "K T B D"]
    next_observations: Float[Array, "K T B O"]
    terminated: Bool[Array, "K T B"]
    truncated: Bool[Array, "K T B"]

    def flat(self) -> "Transitions":
        """Return the transitions with time and environments as one axis: [K, M, ...]."""
        return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0], -1, *leaf.shape[3:]), self)

    def scale_features(self, factor: float) -> "Transitions":
        """Return the transitions with every reward feature multiplied by ``factor``."""
        return eqx.tree_at(lambda batch: batch.features, self, self.features * factor)
