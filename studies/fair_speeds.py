"""What fairness can cost on the robots: what policies that hold or share speeds could give.

A user of a robot task earns by how near the robot's speed is to the wanted one. A policy that holds
one speed pays few users, so that with few policies some users have nothing, under every welfare. A
policy that divides its time between speeds pays more users, each a part. Nothing is trained here:
changes of speed cost nothing, so the numbers are what a robot may come near to.

    python -m studies.fair_speeds --task half-cheetah --policies 5 --seed 100

Shares are found for one assignment of users to policies after the other: the shares by a linear
program, the assignment by each user's best policy. So they are good ones, and perhaps not the best.
"""

from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from scipy.optimize import linprog

import handful
from handful._support.files import write_csv
from handful.errors import HandfulError
from handful.problem import run_parameters
from studies.command import run

ROUNDS = 20
"""The most rounds of shares and assignments."""

FINEST = 121
"""The most speeds among which policies are chosen under the mean."""


def shares_for_worst(
    payoffs: np.ndarray, served_by: np.ndarray, num_policies: int, level: float
) -> np.ndarray:
    """Give each policy's shares of time that are best for the worst served, [K, M].

    Args:
        payoffs: what each of M outcomes pays each user for a whole episode, [M, N].
        served_by: the policy of each user [N].
        num_policies: ``K``.
        level: the share of the users who count as the worst served.
    """
    num_outcomes, num_users = payoffs.shape
    size = num_policies * num_outcomes
    rows = np.zeros((num_users, size + 1 + num_users))  # t - utility - short <= 0
    for user, policy in enumerate(served_by):
        own = slice(policy * num_outcomes, (policy + 1) * num_outcomes)
        rows[user, own] = -payoffs[:, user]
    rows[:, size] = 1.0
    rows[:, size + 1 :] = -np.eye(num_users)
    whole = np.hstack(
        [
            np.kron(np.eye(num_policies), np.ones(num_outcomes)),
            np.zeros((num_policies, 1 + num_users)),
        ]
    )
    costs = np.concatenate([np.zeros(size), [-1.0], np.full(num_users, 1.0 / (level * num_users))])
    bounds = [(0, None)] * size + [(None, None)] + [(0, None)] * num_users
    solved = linprog(
        costs, rows, np.zeros(num_users), whole, np.ones(num_policies), bounds, method="highs"
    )
    return solved.x[:size].reshape(num_policies, num_outcomes)


def shared_time(payoffs: np.ndarray, num_policies: int, level: float) -> np.ndarray:
    """Give what each user gets from policies that share their time for the worst served, [N]."""
    num_users = payoffs.shape[1]
    order = np.argsort(payoffs.argmax(axis=0), kind="stable")
    served_by = np.empty(num_users, int)
    served_by[order] = np.arange(num_users) * num_policies // num_users
    best, reached, welfare = np.zeros(num_users), -np.inf, handful.CVaR(level)
    for _ in range(ROUNDS):
        earned = shares_for_worst(payoffs, served_by, num_policies, level) @ payoffs
        utilities = earned.max(axis=0)
        if welfare.value(utilities) <= reached + 1e-9:
            break
        best, reached = utilities, float(welfare.value(utilities))
        served_by = earned.argmax(axis=0)
    return best


@dataclass
class FairSpeeds:
    """Compare speeds held for the mean with time shared for the worst served."""

    task: str = "half-cheetah"
    """The robot task."""

    policies: int = 5
    """How many policies there are."""

    users: int = 100
    """How many users."""

    seeds: tuple[int, ...] = field(default=(100,))
    """The seeds of the draws of users."""

    level: float = 0.1
    """The share of the users who count as the worst served."""

    out: Path = Path("results/fair-speeds/fair-speeds.csv")
    """The table that is written."""

    def run(self) -> None:
        """Compute the table, write it, and print it."""
        rows = [row for seed in self.seeds for row in self._rows(seed)]
        header = ["task", "seed", "policies", "what", "mean", "worst_share", "worst"]
        self.out.parent.mkdir(parents=True, exist_ok=True)
        write_csv(self.out, header, rows)
        for row in [header, *rows]:
            print(", ".join(f"{one:.2f}" if isinstance(one, float) else str(one) for one in row))

    def _rows(self, seed: int) -> list[list[object]]:
        problem = handful.make(
            self.task, **run_parameters(self.task, seed, {}, {"users": self.users})
        )
        if problem.constant_outcomes is None:
            raise HandfulError(f"The task '{self.task}' names no speeds to hold.")
        features = np.asarray(jax.vmap(problem.population.features)(problem.constant_outcomes()))
        payoffs = features @ problem.population.coefficients.T.astype(np.float64)
        payoffs = payoffs * problem.environment.time_limit
        some = payoffs[:: -(-len(payoffs) // FINEST)]
        found = {
            "speeds held for the mean": handful.choose(some, self.policies).utilities,
            "time shared for the worst served": shared_time(payoffs, self.policies, self.level),
        }
        worst = handful.CVaR(self.level)
        return [
            [
                self.task,
                seed,
                self.policies,
                what,
                float(utilities.mean()),
                float(worst.value(utilities)),
                float(utilities.min()),
            ]
            for what, utilities in found.items()
        ]


if __name__ == "__main__":
    run(FairSpeeds)
