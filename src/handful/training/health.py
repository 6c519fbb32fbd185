"""Whether training still makes sense, and who is to blame where it does not."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from handful.errors import HandfulError
from handful.problem import RMDP
from handful.runs import RunFolder
from handful.training.step import StepMetrics


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
