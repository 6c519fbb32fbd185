"""Statistics over the runs of a study, after Agarwal et al. 2021.

*Deep Reinforcement Learning at the Edge of the Statistical Precipice*, NeurIPS 2021, sections 4.1
to 4.3. Runs come in **strata**: one array of scores for each task and budget, one score a seed.
Scores of different strata are only pooled if they are on one scale (percent of the optimum).

The definitions are those of the authors' library rliable; docs/statistics.md says how the numbers
were compared with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from handful.errors import HandfulError
from handful.types import NumpyArray

RESAMPLES = 2000
"""The number of resamples of the bootstrap: an end of an interval then moves by a few hundredths of
its width."""

CONFIDENCE = 0.95
SEED = 0
"""The seed of the bootstrap, so that the same table gives the same page."""

Strata = Sequence[NumpyArray]
"""An array [..., runs] a stratum; the runs of one need not be as many as those of another."""


@dataclass(frozen=True)
class Estimate:
    """A number and an interval about it.

    Attributes:
        value: the value over the runs that there are.
        low, high: ends of the interval, in which it lies with 95 % confidence.
    """

    value: float
    low: float
    high: float


def mean_and_error(scores: NumpyArray) -> tuple[float, float | None]:
    """Return mean and standard error over runs [runs]; the error is None of one run alone."""
    _check([scores])
    if len(scores) == 1:
        return float(scores[0]), None
    return float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(len(scores)))


def mean_interval(scores: NumpyArray) -> Estimate | None:
    """Return the mean of runs [runs] with Student's interval; None for one run alone.

    Two or three runs have far less to say than their standard error alone suggests, and a bootstrap
    of so few is too narrow.
    """
    mean, error = mean_and_error(scores)
    return None if error is None else _student(mean, error, float(len(scores) - 1))


def difference_interval(one: NumpyArray, other: NumpyArray) -> Estimate | None:
    """Return the first runs' mean less the others', with its interval; None if either is alone.

    The degrees of freedom are those of Welch 1947.
    """
    (mean, error), (other_mean, other_error) = mean_and_error(one), mean_and_error(other)
    if error is None or other_error is None:
        return None
    both, freedom = np.array([error, other_error]) ** 2, np.array([len(one), len(other)]) - 1
    degrees = both.sum() ** 2 / (both**2 / freedom).sum() if both.any() else freedom.sum()
    return _student(mean - other_mean, float(np.sqrt(both.sum())), float(degrees))


def interquartile_mean(strata: Strata) -> NumpyArray | np.floating:
    """Return the mean [...] of the middle half of all strata's scores, pooled.

    A quarter of the runs, rounded down, is left out at either end.
    """
    pooled = np.sort(np.concatenate(strata, axis=-1), axis=-1)
    cut = pooled.shape[-1] // 4
    return pooled[..., cut : pooled.shape[-1] - cut].mean(axis=-1)


def improvement(strata: Strata, others: Strata) -> NumpyArray | np.floating:
    """Return the chance [...] that a run of one method beats one of the other on a stratum.

    The mean over strata of the Mann-Whitney statistic in [0, 1]; a tie counts one half.
    """
    chances = []
    for ours, theirs in zip(strata, others, strict=True):
        difference = ours[..., :, None] - theirs[..., None, :]
        wins = (difference > 0) + 0.5 * (difference == 0)
        chances.append(wins.mean(axis=(-2, -1)))
    return np.mean(chances, axis=0)


def profile(strata: Strata, thresholds: NumpyArray) -> NumpyArray:
    """Return the share of runs above each threshold [..., thresholds]; strata weigh alike."""
    shares = [(scores[..., None] > thresholds).mean(axis=-2) for scores in strata]
    return np.mean(shares, axis=0)


def estimate_iqm(strata: Strata, resamples: int = RESAMPLES) -> Estimate:
    """Return the interquartile mean and its interval.

    Raises:
        HandfulError: if a stratum has no runs.
    """
    _check(strata)
    samples = interquartile_mean(_resampled(strata, resamples, SEED))
    return _estimate(float(interquartile_mean(strata)), samples)


def estimate_improvement(strata: Strata, others: Strata, resamples: int = RESAMPLES) -> Estimate:
    """Return the probability that the first method improves on the second, and its interval.

    Args:
        strata: the first method's runs.
        others: the second's, the same strata in the same order.
        resamples: the number of resamples of the bootstrap, which draws the runs of both.

    Raises:
        HandfulError: if the strata are not as many, or one has no runs.
    """
    _check(strata)
    _check(others)
    if len(strata) != len(others):
        raise HandfulError(
            f"Methods are compared on the same tasks and budgets: one has {len(strata)}, the "
            f"other {len(others)}."
        )
    samples = improvement(
        _resampled(strata, resamples, SEED), _resampled(others, resamples, SEED + 1)
    )
    return _estimate(float(improvement(strata, others)), samples)


def estimate_profile(
    strata: Strata, thresholds: NumpyArray, resamples: int = RESAMPLES
) -> tuple[NumpyArray, NumpyArray, NumpyArray]:
    """Return the performance profile and the ends of its intervals, each [thresholds].

    Raises:
        HandfulError: if a stratum has no runs.
    """
    _check(strata)
    samples = profile(_resampled(strata, resamples, SEED), thresholds)
    low, high = _ends(samples)
    return profile(strata, thresholds), low, high


def _resampled(strata: Strata, resamples: int, seed: int) -> list[NumpyArray]:
    """Draw a stratum's runs with replacement, as many as there are: [resamples, runs]."""
    rng = np.random.default_rng(seed)
    return [scores[rng.integers(0, len(scores), (resamples, len(scores)))] for scores in strata]


def _estimate(value: float, samples: NumpyArray | np.floating) -> Estimate:
    low, high = _ends(np.asarray(samples))
    return Estimate(value, float(low), float(high))


def _ends(samples: NumpyArray) -> NumpyArray:
    """Return the ends [2, ...] of the percentile interval over the first axis."""
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(samples, [tail, 1 - tail], axis=0)


def _student(value: float, error: float, degrees: float) -> Estimate:
    reach = error * float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
    return Estimate(value, value - reach, value + reach)


def _check(strata: Strata) -> None:
    if not strata or any(not len(scores) for scores in strata):
        raise HandfulError("There is nothing to estimate from: a task or budget has no runs.")
    if not all(np.isfinite(scores).all() for scores in strata):
        raise HandfulError("A score is not a finite number, so nothing can be estimated from it.")
