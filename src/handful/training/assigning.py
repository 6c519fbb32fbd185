"""Which assignment the validation episodes of ``K`` policies speak for.

With given policies, the assignment that gives every user their best policy is the best one for
every welfare function that never falls where a user earns more, as no other assignment gives any
user more. What a policy is worth to a user is only estimated, though, by few and noisy episodes.
The policy that looks best for a user looks better than it is, and on other episodes it may be worse
than one policy for everybody. So three assignments are compared by episodes that had no part in
them:

* *best*: each user has the policy that served them best in one half of the episodes, measured on
  the other half, and the other way round;
* *method*: the assignment that the method left, in which no validation episode had a part;
* *one*: everybody has the policy that is best for all together, also chosen on one half of the
  episodes and measured on the other.

The one of the three that has the highest welfare is then made again from all the episodes. It is
*one* if the other two are not shown to be worth more: if their gain over it is less than its
standard error. Where it leaves policies without users, these serve the users for whom it is clear
that they are better (:mod:`handful.training.spare`). On all the episodes the welfare is never lower
than that of the best single policy for everybody.

Users are looked at in chunks, and no table of users and policies is made, so a million users need
little memory.
"""

from typing import NamedTuple

import numpy as np

from handful.evaluation.by_episode import ALL, welfare_by_episode, welfare_of_single_policies
from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import mean_and_stderr
from handful.population import Population, in_chunks
from handful.training.spare import use_spare_policies
from handful.types import NumpyArray
from handful.welfare import WelfareFn, utilitarian

EVEN, ODD = slice(0, None, 2), slice(1, None, 2)
"""The two halves of the episodes."""

TIE = 1e-9
"""Returns that differ by less than this share of the largest are equal: sums are rounded."""


class Choice(NamedTuple):
    """An assignment, and what validation says of it.

    Attributes:
        policy: int [N] each user's policy.
        rule: the rule that made it: *best*, *method* or *one*; or *spare*, which is one of the last
            two with users whom policies serve that had none.
        welfare: its welfare on all the episodes.
        held_out: the welfare of its rule on episodes that had no part in the assignment.
        one: the welfare of the best single policy for everybody, on all the episodes.
        gain: the difference between the held-out welfare and that of one policy.
        gain_stderr: the standard error of the gain, over episodes.
        luck: the difference between the welfare of *best* on the episodes that chose it and on the
            others.
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

        It is settled if the gain over one policy for everybody is beyond chance and luck is
        small beside it, or if nothing is left to chance.
        """
        rounding = TIE * max(abs(self.held_out), abs(self.one))
        is_clear = abs(self.gain) >= 2.0 * self.gain_stderr
        return is_clear and self.luck <= 0.1 * abs(self.gain) + rounding


def choose_assignment(
    population: Population,
    episodes: NumpyArray,
    current: NumpyArray,
    welfare: WelfareFn = utilitarian,
) -> Choice:
    """Choose the assignment that these episodes speak for.

    Args:
        population: the users.
        episodes: each policy's returns in features, [E, K, D]; E is even.
        current: int [N] the assignment that the method left. A user whom policies serve alike
            keeps theirs.
        welfare: the welfare function.

    Returns:
        The assignment, and what the episodes say of it.
    """
    episodes = np.asarray(episodes, np.float64)
    played, parts = FeatureReturns(episodes, population), (EVEN, ODD, ALL)
    views = np.stack([episodes[part].mean(axis=0) for part in parts])
    best = _best(population, views, current)
    # Welfare episode by episode, by each of the parts.
    *of_best, of_method = welfare_by_episode(played, [*best, current], welfare, parts)
    singles = welfare_of_single_policies(played, welfare, parts)
    ones = [int(np.argmax(of_part.mean(axis=0))) for of_part in singles]
    even, odd, whole = 0, 1, 2
    # On the half that had no part in the choice.
    held: dict[str, NumpyArray] = {
        "best": np.concatenate([of_best[even][odd], of_best[odd][even]]),
        "method": np.concatenate([of_method[odd], of_method[even]]),
        "one": np.concatenate([singles[odd][:, ones[even]], singles[even][:, ones[odd]]]),
    }
    means: dict[str, float] = {rule: float(values.mean()) for rule, values in held.items()}
    found: dict[str, float] = {
        "best": float(of_best[whole][whole].mean()),
        "method": float(of_method[whole].mean()),
        "one": float(singles[whole][:, ones[whole]].mean()),
    }
    rounding = TIE * max(abs(value) for value in (*means.values(), *found.values()))
    allowed = [rule for rule in means if found[rule] >= found["one"] - rounding]
    rule = max(allowed, key=lambda rule: means[rule] + (rounding if rule == "best" else 0.0))
    policies: dict[str, NumpyArray] = {
        "best": best[whole],
        "method": np.asarray(current, np.int32),
        "one": np.full(len(current), ones[whole], np.int32),
    }
    gain, gain_stderr = map(float, mean_and_stderr(held[rule] - held["one"]))
    if gain + rounding < gain_stderr:  # it is not shown that several policies are worth more
        rule, gain = "one", 0.0
    policy, value, held_out = policies[rule], found[rule], means[rule]
    moves = use_spare_policies(played, policy, (EVEN, ODD), welfare) if len(episodes) > 2 else None
    if moves is not None:
        policy, value, held_out = moves.policy, moves.welfare, held_out + moves.gain
        gain, gain_stderr = gain + moves.gain, max(gain_stderr, moves.gain_stderr)
        rule = "spare"
    in_sample = np.mean([of_best[part][part].mean() for part in (even, odd)])
    return Choice(
        policy=policy,
        rule=rule,
        welfare=value,
        held_out=held_out,
        one=found["one"],
        gain=gain,
        gain_stderr=gain_stderr,
        luck=float(in_sample) - means["best"],
    )


def _best(population: Population, views: NumpyArray, current: NumpyArray) -> list[NumpyArray]:
    """Find each user's best policy [N] by each of ``V`` views of policies' returns [V, K, D]."""
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
