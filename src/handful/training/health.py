"""Whether training still makes sense, and who is to blame where it does not."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from handful.digits import find_coarse_entry
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.runs import RunFolder
from handful.training.config import TrainConfig
from handful.training.step import StepMetrics
from handful.types import NumpyArray


@contextmanager
def telling_what_is_kept(folder: RunFolder | None) -> Iterator[None]:
    """Adds to what went wrong in an update where the run is kept as it was before, if it is."""
    try:
        yield
    except HandfulError as error:
        if folder is None or not folder.checkpoint.exists():
            raise
        raise HandfulError(
            f"{error} The last good checkpoint in '{folder.path}' is kept."
        ) from None


def check_finite(problem: RMDP, metrics: StepMetrics, update: int) -> None:
    """Look for NaN and infinity in an update's rewards and losses.

    Raises:
        HandfulError: naming the reward feature, and its user if it has one, or the policy.
    """
    if not metrics.finite_features.all():
        feature = int(np.argmin(metrics.finite_features))
        owner = ""
        if problem.num_features == problem.num_users:
            owner = f" (of user '{problem.population.user_ids[feature]}')"
        raise HandfulError(
            f"Reward feature {feature}{owner} was not a finite number in update {update}: "
            f"reward functions must return finite numbers for every outcome."
        )
    if not metrics.finite_policies.all():
        policy = int(np.argmin(metrics.finite_policies))
        raise HandfulError(
            f"Policy {policy}'s loss was not a finite number in update {update}: look for "
            f"NaN in the observations, or lower the learning rate."
        )


def check_digits(problem: RMDP, metrics: StepMetrics) -> None:
    """Look for observations of an environment in JAX whose news is lost in float32.

    Environments on the host are looked at before their numbers become float32.

    Raises:
        HandfulError: naming the entry and how to mend it.
    """
    if problem.runs_on_host:
        return
    coarse = find_coarse_entry(
        metrics.lowest_observation, metrics.highest_observation, constant=True
    )
    if coarse is not None:
        raise HandfulError(
            f"{coarse}: let the environment subtract the start of a clock or a counter while it is "
            f"a whole number, divide a large quantity by its usual size, and leave out what never "
            f"varies."
        )


class EpisodeWatch:
    """Sees that episodes end by the time limit that their environment declares.

    On the host the collector cuts those that do not. In JAX nobody does: their returns would never
    be in the return table.
    """

    def __init__(self, problem: RMDP, config: TrainConfig) -> None:
        self._limit = problem.environment.time_limit
        self._num_steps = config.ppo.num_steps
        self._is_needed = not problem.runs_on_host
        self.restart()

    def restart(self) -> None:
        """Every episode starts anew."""
        self._steps_without_end: NumpyArray | int = 0

    def check(self, finished: NumpyArray) -> None:
        """Look at an update.

        Args:
            finished: [K] episodes that each policy finished in it.

        Raises:
            HandfulError: if a policy has finished none for longer than the time limit.
        """
        self._steps_without_end = np.where(
            finished > 0, 0, self._steps_without_end + self._num_steps
        )
        if self._is_needed and (self._steps_without_end >= self._limit).any():
            policy = int(np.argmax(self._steps_without_end))
            raise HandfulError(
                f"Policy {policy} has not come to the end of an episode in "
                f"{self._steps_without_end[policy]} steps, and the environment's time_limit says "
                f"that all end within {self._limit}: its step must set truncated by then."
            )
