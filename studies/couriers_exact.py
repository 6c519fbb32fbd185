"""What the tutorial's riders can get at best: the environment is small enough to know.

Each street is like the one before, so a policy is a choice for every strength of rain. One policy
for all is best for the mean rider. For more, exact EM from 30 random starts (a lower bound on the
best), and each rider's own best policy (an upper bound).

    python studies/couriers_exact.py
"""

import csv
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"
STREETS, STARTS, ROUNDS = 8, 30, 30
RAIN = (np.arange(200) + 0.5) / 200


def features_of_actions() -> np.ndarray:
    """[A, R, 3] of a street, for every strength of rain."""
    ones = np.ones_like(RAIN)
    slow = (-6 * ones, -ones, ones)
    fast = (-3 * ones, -(2 + 2 * RAIN), 0 * ones)
    park = (-7 * ones, -1.5 * ones, 5 - 4 * RAIN)
    return np.stack([np.stack(parts, axis=1) for parts in (slow, fast, park)])


def best_response(weights: np.ndarray) -> np.ndarray:
    """Features [3] of a tour with the policy that is best for one rider, or a mean of riders."""
    table = features_of_actions()
    chosen = (table @ weights).argmax(axis=0)
    return STREETS * table[chosen, np.arange(len(RAIN))].mean(axis=0)


def exact_em(weights: np.ndarray, num_policies: int, rng: np.random.Generator) -> float:
    """Welfare of one start."""
    assignment = rng.integers(num_policies, size=len(weights))
    returns = np.zeros((len(weights), num_policies))
    for _ in range(ROUNDS):
        for policy in range(num_policies):
            mine = weights[assignment == policy]
            mix = mine.mean(axis=0) if len(mine) else weights[rng.integers(len(weights))]
            returns[:, policy] = weights @ best_response(mix)
        assignment = returns.argmax(axis=1)
    return float(returns.max(axis=1).mean())


def main() -> None:
    with (EXAMPLES / "courier_users.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    weights = np.array([[float(r[name]) for name in ("speed", "comfort", "scenery")] for r in rows])
    rng = np.random.default_rng(0)
    for num_policies in (1, 2, 3, 5):
        best = max(exact_em(weights, num_policies, rng) for _ in range(STARTS))
        print(f"k = {num_policies}: {best:.2f}")
    own = np.mean([row @ best_response(row) for row in weights])
    print(f"a policy for each rider: {own:.2f}")


if __name__ == "__main__":
    main()
