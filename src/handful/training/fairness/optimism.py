"""How much less policies earn than their learner says, as it is measured batch after batch.

A floor is a level that must be reached, and a learner that knows what its policies earn without
playing them says too much of those that it has just planned
(:mod:`handful.learner.counted_model`). Prices of floors that followed this would stay at 0 while
floors are missed. So in a run with floors the learner says for each batch by how much it was wrong
(:meth:`handful.learner.base.Learner.optimism`), and the mean of that is taken off its returns.

* Optimism falls about as one over the square root of the transitions so far. What is averaged is
  therefore the product of both, which hardly changes, and the average can be long.
* The latest quarter of the batches counts most: the weight of the t-th batch grows as t^3
  (polynomial-decay averaging; Shamir & Zhang, 2013).
* Where the mean is more than two standard errors, the upper end of its interval of two is taken, as
  a floor is a promise. Where it is less, batches are too small and noisy to say anything, and
  nothing is corrected.

The best moments of such a run are kept in its second half only, when the mean is surer: the best of
several moments is the one whose error is most in its favour.
"""

import equinox as eqx
import jax.numpy as jnp

from handful.training.run import Run
from handful.types import Array, Bool, Float, Int

POWER = 3.0
"""The power of its number by which a batch counts."""

CERTAIN = 2.0
"""The standard errors on either side of the mean in its interval, which must leave out 0."""


FEWEST = 5
"""The fewest batches by which returns are corrected."""


class Optimism(eqx.Module):
    """The running mean of what a learner's returns were too high by, times the root of the time.

    Attributes:
        mean: the weighted mean over batches, [K, D].
        variance: the weighted variance over batches around it, [K, D].
        concentration: the sum of the squares of all weights, which sum to 1: one over the number of
            batches that count.
        count: the number of batches.
    """

    mean: Float[Array, "K D"]
    variance: Float[Array, "K D"]
    concentration: Float[Array, ""]
    count: Int[Array, ""]

    @classmethod
    def unknown(cls, num_policies: int, num_features: int) -> "Optimism":
        """Return the state before the first batch."""
        zeros = jnp.zeros((num_policies, num_features))
        return cls(zeros, zeros, jnp.ones(()), jnp.zeros((), jnp.int32))

    def after(self, excess: Float[Array, "K D"]) -> "Optimism":
        """Return the state after another batch.

        Args:
            excess: what the learner's returns were too high by, according to this batch.
        """
        count = self.count + 1
        weight = (POWER + 1.0) / (count + POWER)
        deviation = excess * jnp.sqrt(count) - self.mean
        return Optimism(
            self.mean + weight * deviation,
            (1.0 - weight) * (self.variance + weight * deviation**2),
            (1.0 - weight) ** 2 * self.concentration + weight**2,
            count,
        )

    @property
    def is_known(self) -> Bool[Array, ""]:
        """Whether there were batches enough."""
        return self.count >= FEWEST

    @property
    def correction(self) -> Float[Array, "K D"]:
        """What is to be subtracted from returns by the learner that the latest batch judged."""
        share = self.concentration / jnp.maximum(1.0 - self.concentration, 1e-6)
        error = jnp.sqrt(self.variance * share)
        is_known = self.is_known & (jnp.abs(self.mean) > CERTAIN * error)
        upper = self.mean + CERTAIN * jnp.sign(self.mean) * error
        return jnp.where(is_known, upper / jnp.sqrt(self.count), 0.0)


def first_optimism(run: Run) -> Optimism | None:
    """Return the state with which a run begins; None if it corrects no returns.

    Returns are corrected in runs with floors whose learner knows returns without playing, and can
    say by how much it was wrong. A table of discounted returns is not corrected.
    """
    learner = run.learner
    can_tell = learner.knows_returns and learner.knows_optimism
    if not (run.claims.floors and can_tell) or run.config.discounted_table:
        return None
    return Optimism.unknown(run.num_policies, run.problem.num_features)
