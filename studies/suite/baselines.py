"""What a provider can do without an assignment method, on the problems of the suite.

Each baseline makes single policies and says who gets which. All of them train with the library's
own learner and the preset ``fast``, get a third of the transitions for each of three policies, and
pay for the episodes by which they choose.

- ``constants``: the best k constant actions, each for the users whom it serves best.
- ``by-hand``: users are parted into k groups by k-means on their coefficients, and a policy is
  trained for each group's mean user. Everybody keeps the policy of their group.
- ``cover``: k users stand for all, chosen such that as many users as possible are close to one of
  them (:func:`cover`). A policy is trained for each, and everybody gets the policy that was best
  for them in validation episodes. PACMAN (2025) covers parameters of tasks in this way.
- ``regret``: the first policy is trained for the mean user, each later one for the user who misses
  most with the policies so far, and everybody gets the best in validation. What a user could have
  at best must be known, so it runs where the optimum is exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import handful
from handful.errors import HandfulError
from handful.exact.facility import choose
from handful.run_folder import RunFolder
from studies.suite.measuring import returns_of

VALIDATION = 1_000_000
"""What is added to a seed for validation episodes, so that evaluation has others."""

COVERED = 0.9
"""The share of users who must be close to a centre."""


@dataclass(frozen=True)
class Served:
    """Policies and who gets which.

    Attributes:
        returns: what every user earns from each policy, [K, N].
        assignment: each user's policy, [N].
        transitions: how many were played, of training, validation and trials together.
    """

    returns: np.ndarray = field(repr=False)
    assignment: np.ndarray = field(repr=False)
    transitions: int

    @property
    def welfare(self) -> float:
        """The mean over users of what they earn."""
        return float(self.returns[self.assignment, np.arange(len(self.assignment))].mean())


@dataclass
class Workshop:
    """Trains single policies for a problem, and counts what that takes.

    Attributes:
        problem: what they are trained on.
        seed: of the training; each further policy has a seed of its own.
        steps: the transitions of each policy.
    """

    problem: handful.RMDP
    seed: int
    steps: int
    policies: list[handful.Policies] = field(default_factory=list)
    transitions: int = 0

    def train_for(self, users: np.ndarray) -> None:
        """Train a policy for the mean of some users, given by their positions."""
        population = self.problem.population
        mean = np.asarray(population.coefficients, float)[users].mean(axis=0)
        alone = replace(
            self.problem,
            population=handful.Population(mean[None], population.features),
            solver=None,
            name="custom",
            parameters={},
        )
        with TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            seed = self.seed + 1_000 * len(self.policies)
            result = handful.train(
                alone, 1, "em", steps=self.steps, seed=seed, preset="fast", out=out, progress=False
            )
            record = RunFolder(out).read_evaluation()
        self.policies.append(result.policies)
        self.transitions += record["transitions"] + record["validation_transitions"]

    def tried(self) -> np.ndarray:
        """[K, N]: what every user earned from each policy in validation episodes, which count."""
        found = try_out(self.problem, dict(self._named()), self.seed)
        self.transitions += found.transitions
        return found.returns

    def serve(self, assignment: np.ndarray) -> Served:
        """Measure the policies and who gets which."""
        returns = returns_of(self.problem, dict(self._named()), self.seed)
        return Served(returns, assignment, self.transitions)

    def _named(self) -> Iterator[tuple[str, handful.Policies]]:
        for number, policies in enumerate(self.policies):
            yield f"policy {number}", policies


def try_out(problem: handful.RMDP, agents: dict, seed: int) -> handful.References:
    """Play as many validation episodes as training does for a choice."""
    episodes = 20 if problem.runs_on_host else 100
    return handful.evaluate_references(
        problem, agents, seed=seed + VALIDATION, num_episodes=episodes
    )


def best_of(problem: handful.RMDP, agents: dict, k: int, seed: int, spent: int = 0) -> Served:
    """The best k of many agents by validation episodes, everybody with the best of these.

    Args:
        agents: by name; more than k of them.
        spent: the transitions that made the agents.
    """
    found = try_out(problem, agents, seed)
    choice = choose(found.returns, k)
    chosen = {found.names[index]: agents[found.names[index]] for index in choice.indices}
    returns = returns_of(problem, chosen, seed)
    return Served(returns, choice.assignment, spent + found.transitions)


def constants(problem: handful.RMDP, k: int, seed: int, steps: int) -> Served:
    """The best k constant actions, of each finite one or of a grid."""
    del steps
    return best_of(problem, dict(constant_agents(problem)), k, seed)


def constant_agents(problem: handful.RMDP) -> Iterator[tuple[str, Callable]]:
    """Constant actions by name: each finite one, or a grid of at most some dozens.

    Continuous actions are those of the environment, not as policies see them.
    """
    space = problem.environment.action_space
    if isinstance(space, handful.Discrete):
        for action in range(space.num_actions):
            yield f"action {action}", _constant(problem, action)
        return
    finest = {1: 21, 2: 5, 3: 4}.get(space.size, 2)
    low, high = np.array(space.low), np.array(space.high)
    for shares in product(np.linspace(0.0, 1.0, finest), repeat=min(space.size, 3)):
        # Of more than three numbers the same share serves each third.
        action = low + (high - low) * np.resize(shares, space.size)
        yield f"{shares}", _constant(problem, action)


def _constant(problem: handful.RMDP, action: Any) -> Callable[[np.ndarray], Any]:
    decode = getattr(problem.environment, "decode", None)
    played = action if decode is None else decode(action)
    return lambda observation: played


def by_hand(problem: handful.RMDP, k: int, seed: int, steps: int) -> Served:
    """A policy for each of k groups of users."""
    from sklearn.cluster import KMeans

    users = np.asarray(problem.population.coefficients, float)
    groups = KMeans(k, n_init=10, random_state=seed).fit_predict(users)
    workshop = Workshop(problem, seed, steps)
    for group in range(k):
        workshop.train_for(np.flatnonzero(groups == group))
    return workshop.serve(groups)


def by_cover(problem: handful.RMDP, k: int, seed: int, steps: int) -> Served:
    """A policy for each of k users who stand for all."""
    workshop = Workshop(problem, seed, steps)
    for centre in cover(np.asarray(problem.population.coefficients, float), k):
        workshop.train_for(np.array([centre]))
    return workshop.serve(workshop.tried().argmax(axis=0))


def cover(coefficients: np.ndarray, k: int, covered: float = COVERED) -> list[int]:
    """Choose k users such that a share of all is as close as possible to one of them.

    For a radius, centres are chosen greedily: each covers the most users who are not covered yet.
    The radius is the smallest for which k centres cover the share. Closeness is that of directions,
    since a user's unit of reward changes nothing about the best policy.

    Args:
        coefficients: [N, D].
        covered: the share of the users.
    """
    lengths = np.linalg.norm(coefficients, axis=1, keepdims=True)
    rows = coefficients / np.where(lengths > 0, lengths, 1.0)
    apart = np.linalg.norm(rows[:, None] - rows, axis=2)
    wanted = int(np.ceil(covered * len(rows)))
    for radius in np.unique(apart):
        near, centres, left = apart <= radius, [], np.ones(len(rows), bool)
        for _ in range(k):
            centres.append(int((near & left).sum(axis=1).argmax()))
            left &= ~near[centres[-1]]
        if len(rows) - left.sum() >= wanted:
            return centres
    raise AssertionError("the largest distance covers everybody")


def by_regret(problem: handful.RMDP, k: int, seed: int, steps: int) -> Served:
    """A policy for the mean user, then one at a time for the user who misses most.

    Raises:
        HandfulError: if what a user could have at best is not known exactly.
    """
    own = own_optima(problem)
    workshop = Workshop(problem, seed, steps)
    chosen = np.arange(problem.num_users)
    for _ in range(k):
        workshop.train_for(chosen)
        returns = workshop.tried()
        chosen = np.array([int((own - returns.max(axis=0)).argmax())])
    return workshop.serve(returns.argmax(axis=0))


def own_optima(problem: handful.RMDP) -> np.ndarray:
    """What each user could have from a policy of their own, [N].

    Raises:
        HandfulError: if that is not known exactly.
    """
    best = handful.optimum(problem, problem.num_users)
    if best.kind != "exact":
        raise HandfulError(f"What a user of '{problem.name}' could have at best is not known.")
    return best.returns.max(axis=0)


BASELINES: dict[str, Callable[[handful.RMDP, int, int, int], Served]] = {
    "constants": constants,
    "by-hand": by_hand,
    "cover": by_cover,
    "regret": by_regret,
}
"""Each baseline takes a problem, the number of policies, the seed and the steps of a policy."""
