"""How well new users are given a policy, by what is known of them: three tasks, held-out users.

Policies are trained for 200 users and measured in 128 episodes, as a bundle tells. Then 1000 users
whom nothing has seen are given one of them. What is true is measured in thousands of further
episodes. Known weights are routed with 30 independent measurements of the same policies, so that
the calibration of the confidence has many cases. Without weights, 100 of the users order three
episodes three times, rate five episodes with one to five stars, or use policies for 30 episodes.
They answer by the model of Plackett and Luce with the randomness that each row says (in standard
deviations of their return), which the router does not know.

    python studies/routing.py          # ten minutes; writes results/routing/
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import handful
from handful._support.files import write_csv, write_text
from handful.problem import RMDP
from handful.routing import Belief, Returns, Router, route
from studies.command import run

MEASURED, MEASUREMENTS, TRUE = 128, 30, 8192
"""Episodes of a measurement, the number of measurements, and episodes for what is true."""

USERS, HELD_OUT, ASKED = 200, 1000, 100
NOISES = (0.0, 0.15, 0.5)
BINS = 5
OUT = Path("results/routing")
TASKS = ("resource-gathering", "icu-sepsis", "fruit-tree")
HEADER = ("task", "known", "users", "confidence", "right", "welfare", "gain", "gap", "episodes")


def problem_of(task: str, users: int, seed: int) -> RMDP:
    """Return a task with users drawn with a seed."""
    if task == "icu-sepsis":
        return handful.make("icu-sepsis", users=users, population_seed=seed)
    if task == "resource-gathering":  # not one tile each, but a mix of all
        problem = handful.make("resource-gathering", height=3, width=3)
        size = problem.population.coefficients.shape[1]
        wishes = np.random.default_rng(seed).dirichlet(np.full(size, 0.3), users)
        population = handful.Population(wishes, problem.population.features)
        return replace(problem, population=population)
    return handful.make(
        f"mo-gymnasium:{task}-v0", users=users, population_seed=seed, time_limit=200, processes=1
    )


@dataclass(frozen=True, eq=False)
class Case:
    """A task's policies, with episodes [E, K, D] in features and the weights of users."""

    task: str
    episodes: np.ndarray
    users: np.ndarray
    held_out: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """What each policy earns each held-out user, [N, K]."""
        return self.held_out @ self.episodes[-TRUE:].mean(axis=0).T

    def measured(self, number: int) -> Returns:
        """Return the returns that one measurement tells."""
        some = self.episodes[number * MEASURED : (number + 1) * MEASURED]
        apart = some - some.mean(axis=0)
        scale = MEASURED * (MEASURED - 1)
        joint = np.einsum("ekd,ejf->kdjf", apart, apart) / scale
        own = np.stack([joint[k, :, k] for k in range(some.shape[1])])
        names = tuple(f"feature_{d}" for d in range(some.shape[2]))
        return Returns(self.task, names, some.mean(axis=0), own, joint, MEASURED)


def case_of(task: str, seed: int, steps: int) -> Case:
    """Train the policies and play the episodes."""
    problem = problem_of(task, USERS, seed)
    result = handful.train(problem, 5, "em", steps=steps, preset="fast", seed=seed, progress=False)
    number = TRUE + MEASURED * MEASUREMENTS
    played = handful.evaluate(
        problem, result.policies, seed=seed + 1, num_episodes=number
    ).deterministic.played
    held_out = problem_of(task, HELD_OUT, seed + 1).population.coefficients
    users = problem.population.coefficients
    return Case(task, played.features, np.asarray(users, float), np.asarray(held_out, float))


def known(case: Case) -> Iterator[list[Any]]:
    """Yield how well users with known weights are routed."""
    truth = case.truth
    best, number = truth.max(axis=1), len(truth)
    tie = 1e-9 * np.abs(truth).max()
    confidence, right, clear, earned = [], [], [], []
    for m in range(MEASUREMENTS):
        routes = route(case.measured(m), case.held_out)
        got = truth[np.arange(number), routes.best]
        confidence.append(routes.confidence)
        right.append(got >= best - tie)
        clear.append(routes.margin > 2 * routes.margin_stderr)
        earned.append(got)
    sure, hit, plain = np.array(confidence), np.array(right), np.array(clear)
    share, gain = shares(np.mean(earned, axis=0), truth)
    yield ["known weights", number, sure.mean(), hit.mean(), share, gain, gap(sure, hit), 0]
    if plain.any():
        inside = sure[plain], hit[plain]
        about = f"known weights, margin over two standard errors ({100 * plain.mean():.1f} %)"
        yield [about, number, inside[0].mean(), inside[1].mean(), np.nan, np.nan, gap(*inside), 0]


def shares(earned: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the share of the welfare that knowing gives, and of what it adds to one policy."""
    most, single = truth.max(axis=1).mean(), truth.mean(axis=0).max()
    gain = (earned.mean() - single) / (most - single) if most - single > 1e-9 else np.nan
    return earned.mean() / most, gain


def gap(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the mean distance of confidence and frequency, over bins of equal numbers of cases."""
    order = np.argsort(confidence, axis=None, kind="stable")
    pairs = zip(
        np.array_split(confidence.ravel()[order], BINS),
        np.array_split(right.ravel()[order].astype(float), BINS),
        strict=True,
    )
    return float(np.mean([abs(sure.mean() - hit.mean()) for sure, hit in pairs]))


def spread(case: Case, weights: np.ndarray) -> float:
    """Return the standard deviation of a user's return over all policies' episodes."""
    return max(float((case.episodes[:2000].reshape(-1, len(weights)) @ weights).std()), 1e-12)


def orders(case: Case, belief: Belief, weights: np.ndarray, noise: float, rng: Any, asks: bool):
    """Let a user order three episodes three times."""
    pool = case.episodes[rng.integers(0, 2000, 60), rng.integers(0, case.episodes.shape[1], 60)]
    for _ in range(3):
        shown = pool[belief.question(pool, rng) if asks else rng.choice(60, 3, replace=False)]
        utility = shown @ weights + noise * spread(case, weights) * rng.gumbel(size=3)
        belief.ordered(shown[np.argsort(-utility)])


def rates(case: Case, belief: Belief, weights: np.ndarray, noise: float, rng: Any) -> None:
    """Let a user rate five episodes, one of each policy, with one to five stars."""
    number = case.episodes.shape[1]
    shown = case.episodes[rng.integers(0, 2000, number), np.arange(number)]
    said = shown @ weights / spread(case, weights) + noise * rng.normal(size=number)
    low, high = said.min(), said.max()
    belief.rated(shown, np.round(1 + 4 * (said - low) / max(high - low, 1e-12)))


def uses(case: Case, belief: Belief, weights: np.ndarray, rng: Any) -> tuple[int, float]:
    """Let a user use policies until the best is settled, for 30 episodes at most."""
    earned = 0.0
    for number in range(30):
        if belief.settled():
            return number, earned
        policy = belief.draw(rng)
        value = float(case.episodes[rng.integers(0, 2000), policy] @ weights)
        belief.earned(policy, value)
    return 30, earned


def unknown(case: Case, seed: int) -> Iterator[list[Any]]:
    """Yield how well users are routed by what they say and earn."""
    routers = [Router(case.measured(m), case.users) for m in range(10)]
    truth, rows = case.truth[:ASKED], np.arange(ASKED)
    ways: list[tuple[str, Any]] = [("nothing known", lambda b, w, rng: 0)]
    for noise in NOISES:
        ways += [
            (
                f"three orderings of three, chosen, randomness {noise}",
                lambda b, w, rng, n=noise: orders(case, b, w, n, rng, True),
            ),
            (
                f"three orderings of three, random, randomness {noise}",
                lambda b, w, rng, n=noise: orders(case, b, w, n, rng, False),
            ),
            (
                f"five episodes with stars, randomness {noise}",
                lambda b, w, rng, n=noise: rates(case, b, w, n, rng),
            ),
        ]
    ways.append(("in use until settled", lambda b, w, rng: uses(case, b, w, rng)[0]))
    for name, tell in ways:
        chosen, sure, steps = np.empty(ASKED, int), np.empty(ASKED), np.zeros(ASKED)
        for row in rows:
            belief, rng = routers[row % 10].ask(), np.random.default_rng([seed, row])
            steps[row] = tell(belief, case.held_out[row], rng) or 0
            chosen[row], sure[row] = belief.policy, belief.confidence
        earned = truth[rows, chosen]
        right = earned >= truth.max(axis=1) - 1e-9 * np.abs(truth).max()
        share, gain = shares(earned, truth)
        yield [
            name, ASKED, sure.mean(), right.mean(), share, gain, gap(sure, right), steps.mean()
        ]  # fmt: skip


@dataclass
class Routing:
    """Measure the routing of new users and write the tables."""

    seed: int = 0
    """The seed; 100 and up are for development."""

    steps: int = 250_000
    """The transitions of each policy in training."""

    tasks: tuple[str, ...] = TASKS
    """The tasks."""

    out: Path = OUT
    """The folder to write."""

    def run(self) -> None:
        """Measure, print and write."""
        rows: list[list[Any]] = []
        for task in self.tasks:
            case = case_of(task, self.seed, self.steps)
            for row in (*known(case), *unknown(case, self.seed)):
                rows.append([task, *row])
                print(rows[-1], flush=True)
        self.out.mkdir(parents=True, exist_ok=True)
        write_csv(self.out / "routing.csv", HEADER, rows)
        write_text(self.out / "routing.md", page(rows, self.seed))


def page(rows: list[list[Any]], seed: int) -> str:
    """Return the page of the table."""
    lines = [
        "# How well new users are given a policy",
        "",
        f"Made by `python studies/routing.py` with seed {seed}. Per task five policies, trained "
        f"for {USERS} users and measured in {MEASURED} episodes; users whom nothing has seen; "
        f"what is true is the mean of {TRUE} further episodes. *Confidence*: what the router "
        f"says, in the mean. *Right*: how often the policy is the best in truth. *Gap*: the mean "
        f"distance of the two over {BINS} bins of confidence, in points. *Welfare*: of what "
        f"knowing the weights and the true returns gives. *Gain*: the same, above the best policy "
        f"for all. *Episodes*: used until the best policy was settled with a confidence of 95 %, "
        f"30 at most. Randomness is in standard deviations of a user's return.",
        "",
        "| Task | Known | Users | Confidence | Right | Gap | Welfare | Gain | Episodes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task, what, users, sure, right, share, gain, distance, steps in rows:
        numbers = [100 * value for value in (sure, right, distance, share, gain)]
        cells = ["–" if math.isnan(value) else f"{value:.1f}" for value in numbers]
        used = f"{steps:.1f}" if steps else "–"
        lines.append(f"| {task} | {what} | {users} | {' | '.join(cells)} | {used} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(Routing)
