"""Which assignment the validation episodes of ``K`` policies speak for.

The best policy of every user on a few noisy episodes looks better than it is: on other episodes it
may be worse than one policy for everybody. So three assignments are compared by episodes that had
no part in them:

* *best*: each user has the policy that served them best in one half of the episodes, measured on
  the other half, and the other way round;
* *method*: the assignment that the method left, which no validation episode had a part in;
* *one*: everybody has the policy that is best for all together, chosen and measured by halves too.

The best of the three is made anew of all the episodes. It is *one* where the others are not shown
to pay: where their gain over it is less than its standard error. On all the episodes it is never
worse than the best single policy for everybody.

Users are looked at in chunks, and all that is kept of an assignment is what its
policies are worth to their users together: so a million users cost no more memory than a thousand.
"""

from typing import NamedTuple

import numpy as np

from handful.population import Population, in_chunks
from handful.types import NumpyArray

TIE = 1e-9
"""Returns that differ by less than this share of the largest are equal: sums are rounded."""


class Choice(NamedTuple):
    """An assignment, and what validation says of it.

    Attributes:
        policy: int [N] each user's policy.
        rule: where it comes from: *best*, *method* or *one*.
        welfare: of it, on all the episodes.
        held_out: its rule's welfare, on episodes that had no part in it.
        one: the welfare of the best single policy for everybody, on all the episodes.
        gain: by how much the held-out welfare is above that of one policy.
        gain_stderr: of that, over episodes.
        luck: by how much *best* looks better on the episodes that it was chosen by.
    """

    policy: NumpyArray
    rule: str
    welfare: float
    held_out: float
    one: float
    gain: float
    gain_stderr: float
    luck: float

    @property
    def is_settled(self) -> bool:
        """Whether more episodes would hardly change anything.

        That is where the gain over one policy for all stands out from chance, and luck is small
        beside it; or where nothing is left to chance.
        """
        rounding = TIE * max(abs(self.held_out), abs(self.one))
        is_clear = abs(self.gain) >= 2.0 * self.gain_stderr
        return is_clear and self.luck <= 0.1 * abs(self.gain) + rounding


def choose_assignment(population: Population, episodes: NumpyArray, current: NumpyArray) -> Choice:
    """The assignment that these episodes speak for.

    Args:
        episodes: each policy's returns in features, [E, K, D]; E is even.
        current: int [N] the assignment that the method left. A user whom policies serve alike
            keeps theirs.
    """
    episodes = np.asarray(episodes, np.float64)
    halves = (episodes[0::2], episodes[1::2])
    mean = episodes.mean(axis=0)
    everybody = population.coefficients.mean(axis=0, dtype=np.float64)
    views = np.stack([halves[0].mean(axis=0), halves[1].mean(axis=0), mean])
    best = _best(population, views, current)
    mixes = [population.mix(policy, len(mean)) for policy in best]
    own = population.mix(current, len(mean))
    one = int(np.argmax(mean @ everybody))

    # Welfare episode by episode, on the half that had no part in the choice.
    held: dict[str, NumpyArray] = {"best": np.zeros(0), "method": np.zeros(0), "one": np.zeros(0)}
    for chosen_by, measured_by in ((0, 1), (1, 0)):
        alone = int(np.argmax(views[chosen_by] @ everybody))
        measured: dict[str, NumpyArray] = {
            "best": _welfare(mixes[chosen_by], halves[measured_by]),
            "method": _welfare(own, halves[measured_by]),
            "one": halves[measured_by][:, alone] @ everybody,
        }
        held = {rule: np.concatenate([held[rule], measured[rule]]) for rule in held}
    means: dict[str, float] = {rule: float(values.mean()) for rule, values in held.items()}
    welfare: dict[str, float] = {
        "best": float(np.sum(mixes[2] * mean)),
        "method": float(np.sum(own * mean)),
        "one": float(mean[one] @ everybody),
    }
    rounding = TIE * max(abs(value) for value in (*means.values(), *welfare.values()))
    allowed = [rule for rule in means if welfare[rule] >= welfare["one"] - rounding]
    rule = max(allowed, key=lambda rule: means[rule] + (rounding if rule == "best" else 0.0))
    policies: dict[str, NumpyArray] = {
        "best": best[-1],
        "method": np.asarray(current, np.int32),
        "one": np.full(len(current), one, np.int32),
    }
    gain, gain_stderr = _mean_and_stderr(held[rule] - held["one"])
    if gain + rounding < gain_stderr:  # it is not shown that several policies pay
        rule, gain = "one", 0.0
    in_sample = np.mean([np.sum(mixes[half] * views[half]) for half in (0, 1)])
    return Choice(
        policy=policies[rule],
        rule=rule,
        welfare=welfare[rule],
        held_out=means[rule],
        one=welfare["one"],
        gain=gain,
        gain_stderr=gain_stderr,
        luck=float(in_sample) - means["best"],
    )


def _best(population: Population, views: NumpyArray, current: NumpyArray) -> list[NumpyArray]:
    """Each user's best policy [N] by each of ``V`` views of the policies' returns [V, K, D]."""
    num_views, num_policies, _ = views.shape
    best = [np.zeros(len(current), np.int32) for _ in range(num_views)]
    for users in in_chunks(len(current), num_views * num_policies):
        coefficients = population.coefficients[users].astype(np.float64)
        rows, stays = np.arange(len(coefficients)), current[users]
        for view, returns in enumerate(views):
            earned = coefficients @ returns.T
            policy = np.argmax(earned, axis=1)
            highest, present = earned[rows, policy], earned[rows, stays]
            is_better = highest - present > TIE * np.maximum(abs(highest), abs(present))
            best[view][users] = np.where(is_better, policy, stays)
    return best


def _welfare(mix: NumpyArray, episodes: NumpyArray) -> NumpyArray:
    """Of every episode, [E], with the mix [K, D] of an assignment."""
    return np.einsum("kd,ekd->e", mix, episodes)


def _mean_and_stderr(samples: NumpyArray) -> tuple[float, float]:
    return float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(len(samples)))
