"""How well new users are given a policy, by what is known of them: four tasks, held-out users.

Five policies of each task are known exactly (`studies/routing_cases.py`) and were measured in 128
episodes, as a bundle tells. Then users whom nothing has seen are given one of them. Known weights
are routed with 10 independent measurements. Without weights, users order three episodes three
times, rate five episodes with one to five stars, or use policies for 30 episodes at most. They
answer by the model of Plackett and Luce with the randomness that each row says (in standard
deviations of their return), which the router does not know.

    python studies/routing.py                        # writes results/routing/
    python studies/routing.py --seeds 100 --out DIR  # for development
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from handful._support.files import write_csv, write_text
from handful.routing import Belief, Router, route
from studies.command import run
from studies.routing_cases import CASES, MEASUREMENTS, Case

NOISES = (0.0, 0.15, 0.5)
BINS = 5
SHOWN = 60  # episodes of which some are shown
ROUTERS = 5  # of as many measurements, for users whose weights are unknown
OUT = Path("results/routing")
HEADER = (
    "task", "seed", "known", "users", "confidence", "right", "welfare", "gain", "episodes"
)  # fmt: skip
CURVE = ("task", "known", "confidence", "right", "cases")
CLEAR = "known weights, margin over two standard errors"
PANELS = {
    "Known weights": "known weights",
    "Orderings, chosen questions": "three orderings, chosen, randomness 0.15",
    "Stars for five episodes": "five stars, randomness 0.15",
    "In use": "in use until settled",
}
"""The panels of the picture, and the names of their ways."""


class Found(NamedTuple):
    """How users of one task and seed fared by one way of knowing them.

    Attributes:
        task, seed, known: the names.
        confidence: what the router said in each case.
        right: whether the policy was the best in truth in each case.
        welfare: the share of the welfare that knowing gives; NaN if users were left out.
        gain: the share of what knowing adds to the best policy for all.
        episodes: the mean number of episodes in use.
    """

    task: str
    seed: int
    known: str
    confidence: np.ndarray
    right: np.ndarray
    welfare: float
    gain: float
    episodes: float


def shares(earned: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the share of the welfare that knowing gives, and of what it adds to one policy.

    The second is NaN where one policy is the best for all.
    """
    most, single = truth.max(axis=1).mean(), truth.mean(axis=0).max()
    adds = most - single
    gain = (earned.mean() - single) / adds if adds > 1e-9 * abs(most) else math.nan
    return earned.mean() / most, gain


def is_right(earned: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return whether users earn what the best policy earns them, but for rounding."""
    return earned >= truth.max(axis=-1) - 1e-9 * np.abs(truth).max()


def known(case: Case, seed: int) -> Iterator[Found]:
    """Yield how users with known weights fare."""
    truth = case.truth
    confidence, right, clear, earned = [], [], [], []
    for number in range(MEASUREMENTS):
        routes = route(case.measured(number), case.held_out)
        got = truth[np.arange(len(truth)), routes.best]
        confidence.append(routes.confidence)
        right.append(is_right(got, truth))
        clear.append(routes.margin > 2 * routes.margin_stderr)
        earned.append(got)
    sure, hit, plain = np.array(confidence), np.array(right), np.array(clear)
    worth = shares(np.mean(earned, axis=0), truth)
    yield Found(case.task, seed, "known weights", sure.ravel(), hit.ravel(), *worth, 0.0)
    yield Found(case.task, seed, CLEAR, sure[plain], hit[plain], math.nan, math.nan, 0.0)


class Person:
    """A user who answers, and whom nobody knows."""

    def __init__(self, case: Case, weights: np.ndarray, rng: np.random.Generator) -> None:
        self.weights, self.rng, self.episodes = weights, rng, case.episodes
        worth = case.episodes.reshape(-1, len(weights)) @ weights
        self.spread = max(float(worth.std()), 1e-12)

    def orders(self, belief: Belief, noise: float, chooses: bool) -> None:
        """Order three episodes three times."""
        number, num_policies = self.episodes.shape[:2]
        rows = self.rng.integers(0, number, SHOWN), self.rng.integers(0, num_policies, SHOWN)
        pool = self.episodes[rows]
        for _ in range(3):
            some = self.rng.choice(SHOWN, 3, replace=False)
            shown = pool[belief.question(pool, self.rng) if chooses else some]
            luck = noise * self.spread * self.rng.gumbel(size=3)
            belief.ordered(shown[np.argsort(-(shown @ self.weights + luck))])

    def rates(self, belief: Belief, noise: float) -> None:
        """Rate an episode of each policy with one to five stars."""
        number, num_policies = self.episodes.shape[:2]
        shown = self.episodes[self.rng.integers(0, number, num_policies), np.arange(num_policies)]
        said = shown @ self.weights / self.spread + noise * self.rng.normal(size=num_policies)
        low, high = said.min(), said.max()
        belief.rated(shown, np.round(1 + 4 * (said - low) / max(high - low, 1e-12)))

    def uses(self, belief: Belief) -> int:
        """Use policies until the best is settled, for 30 episodes at most; say how many."""
        for number in range(30):
            if belief.settled():
                return number
            policy = belief.draw(self.rng)
            episode = self.episodes[self.rng.integers(0, len(self.episodes)), policy]
            belief.earned(policy, float(episode @ self.weights))
        return 30


def ways() -> dict[str, Callable[[Person, Belief], int | None]]:
    """Return the ways to know users without their weights, by name."""
    found: dict[str, Callable[[Person, Belief], int | None]] = {"nothing": lambda p, b: None}
    for noise in NOISES:
        end = f", randomness {noise}"
        found |= {
            f"three orderings, chosen{end}": lambda p, b, n=noise: p.orders(b, n, True),
            f"three orderings, random{end}": lambda p, b, n=noise: p.orders(b, n, False),
            f"five stars{end}": lambda p, b, n=noise: p.rates(b, n),
        }
    return found | {"in use until settled": lambda p, b: p.uses(b)}


def unknown(case: Case, seed: int, asked: int) -> Iterator[Found]:
    """Yield how users fare by what they say and earn."""
    routers = [Router(case.measured(m), case.users) for m in range(ROUTERS)]
    truth, rows = case.truth[:asked], np.arange(asked)
    for name, tell in ways().items():
        policy, sure, steps = np.empty(asked, int), np.empty(asked), np.zeros(asked)
        for row in range(asked):
            belief = routers[row % ROUTERS].ask()
            person = Person(case, case.held_out[row], np.random.default_rng([seed, row]))
            steps[row] = tell(person, belief) or 0
            policy[row], sure[row] = belief.policy, belief.confidence
        earned = truth[rows, policy]
        right = is_right(earned, truth)
        yield Found(case.task, seed, name, sure, right, *shares(earned, truth), steps.mean())


def curve(found: list[Found]) -> list[tuple[float, float, int]]:
    """Return confidence and frequency in bins of equal numbers of cases, and these numbers."""
    sure = np.concatenate([one.confidence for one in found])
    right = np.concatenate([one.right for one in found]).astype(float)
    order = np.argsort(sure, kind="stable")
    return [
        (float(sure[rows].mean()), float(right[rows].mean()), len(rows))
        for rows in np.array_split(order, BINS)
        if len(rows)
    ]


def gap(bins: list[tuple[float, float, int]]) -> float:
    """Return the mean distance of confidence and frequency."""
    return float(np.mean([abs(sure - right) for sure, right, _ in bins])) if bins else math.nan


def chance_gap(found: list[Found]) -> float:
    """Return the gap that a router with a true confidence would have by chance."""
    rng = np.random.default_rng(0)
    drawn = [
        gap(curve([o._replace(right=rng.random(len(o.right)) < o.confidence) for o in found]))
        for _ in range(100)
    ]
    return float(np.mean(drawn))


@dataclass
class Routing:
    """Measure the routing of new users and write the tables and the picture."""

    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    """The seeds; 100 and up are for development."""

    asked: int = 40
    """The users of each task and seed whose weights are unknown."""

    tasks: tuple[str, ...] = tuple(CASES)
    """The tasks."""

    out: Path = OUT
    """The folder to write; it is written after every seed."""

    def run(self) -> None:
        """Measure, print and write."""
        found: list[Found] = []
        self.out.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(self.seeds):
            for task in self.tasks:
                case = CASES[task](seed)
                for one in (*known(case, seed), *unknown(case, seed, self.asked)):
                    found.append(one)
                    print(
                        seed, task, one.known, one.confidence.mean(), one.right.mean(), flush=True
                    )
            self.write(found, self.seeds[: number + 1])

    def write(self, found: list[Found], seeds: list[int]) -> None:
        """Write everything that was found so far."""
        rows = []
        for o in found:
            means = (o.confidence.mean(), o.right.mean()) if len(o.right) else (math.nan, math.nan)
            counted = (len(o.right), *means)
            rows.append([o.task, o.seed, o.known, *counted, o.welfare, o.gain, o.episodes])
        write_csv(self.out / "routing.csv", HEADER, rows)
        groups: dict[tuple[str, str], list[Found]] = {}
        for one in found:
            groups.setdefault((one.task, one.known), []).append(one)
        bins = [[*names, *one] for names, some in groups.items() for one in curve(some)]
        write_csv(self.out / "calibration.csv", CURVE, bins)
        write_text(self.out / "routing.md", page(groups, seeds))
        picture(bins, self.tasks).savefig(self.out / "calibration.svg", metadata={"Date": None})


def page(groups: dict[tuple[str, str], list[Found]], seeds: list[int]) -> str:
    """Return the page of the table."""
    lines = [
        "# How well new users are given a policy",
        "",
        f"Made by `python studies/routing.py` with the seeds {', '.join(map(str, seeds))}: means "
        f"over seeds with standard errors. *Confidence*: what the router says. *Right*: how often "
        f"the policy is the best in truth. *Gap*: the mean distance of the two over {BINS} bins of "
        f"confidence, all seeds together, in points; after the slash the gap that chance alone "
        f"would make. *Welfare*: of what knowing the weights and the true returns gives. *Gain*: "
        f"the same, above the best policy for all. *Episodes*: used until the best policy was "
        f"settled with a confidence of 95 %, 30 at most. Randomness is in standard deviations of a "
        f"user's return.",
        "",
        "| Task | Known | Seeds | Cases | Confidence | Right | Gap | Welfare | Gain | Episodes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (task, what), some in groups.items():
        filled = [one for one in some if len(one.right)]
        cells = [
            _with_error([100 * one.confidence.mean() for one in filled]),
            _with_error([100 * one.right.mean() for one in filled]),
            f"{100 * gap(curve(some)):.1f} / {100 * chance_gap(some):.1f}" if filled else "–",
            _with_error([100 * one.welfare for one in filled]),
            _with_error([100 * one.gain for one in filled]),
            _with_error([one.episodes for one in filled]) if "in use" in what else "–",
        ]
        cases = sum(len(one.right) for one in some)
        lines.append(f"| {task} | {what} | {len(some)} | {cases} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _with_error(values: list[float]) -> str:
    """Return a mean with its standard error over the seeds that have a number."""
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return "–"
    error = f" ± {np.std(values, ddof=1) / math.sqrt(len(values)):.1f}" if values[1:] else ""
    return f"{np.mean(values):.1f}{error}"


def picture(bins: list[list], tasks: tuple[str, ...]) -> Figure:
    """Return the calibration curves, a panel for each way to know users.

    Args:
        bins: the rows of ``calibration.csv``.
        tasks: the tasks.
    """
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for panel, (title, way) in zip(axes, PANELS.items(), strict=True):
        panel.plot([0, 100], [0, 100], color="0.7", linewidth=1)
        for task, mark in zip(tasks, "os^D", strict=False):
            some = np.array([row[2:4] for row in bins if row[:2] == [task, way]], float)
            panel.plot(*100 * some.T, marker=mark, label=task)
        panel.set(title=title, xlabel="Confidence, %", xlim=(0, 103), ylim=(-3, 103))
    axes[0].set_ylabel("Right, %")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    run(Routing)
