"""The best welfare that k policies can have in two environments of MO-Gymnasium, by enumeration.

Both are deterministic with a fixed start, so that what a policy can be worth is a list of vectors:
in Deep Sea Treasure the ten treasures by their shortest ways (another way to the same treasure is
worse for everybody), in Fruit Tree the 64 fruits. Mixtures of them are never better than the best.

    python studies/mo_gymnasium_exact.py
"""

import itertools

import gymnasium
import mo_gymnasium  # noqa: F401
import numpy as np

import handful

USERS, SEEDS, BUDGETS = 100, (0, 1, 2), (1, 3)


def treasures() -> np.ndarray:
    """[10, 2]: each treasure's worth, and minus the steps of the shortest way to it."""
    chart = gymnasium.make("deep-sea-treasure-v0", disable_env_checker=True).unwrapped.sea_map
    return np.array([(chart[r, c], -(r + c)) for r, c in zip(*np.nonzero(chart > 0), strict=True)])


def fruits() -> np.ndarray:
    """[64, 6]: what each way through the tree is worth."""
    env = gymnasium.make("fruit-tree-v0", disable_env_checker=True)
    worth = []
    for way in itertools.product((0, 1), repeat=6):
        env.reset(seed=0)
        worth.append(sum(env.step(turn)[1] for turn in way))
    return np.array(worth)


def best_welfare(weights: np.ndarray, vectors: np.ndarray, num_policies: int) -> float:
    """Over all choices of so many vectors."""
    returns = weights @ vectors.T
    choices = itertools.combinations(range(len(vectors)), num_policies)
    return max(returns[:, list(choice)].max(axis=1).mean() for choice in choices)


def main() -> None:
    tasks = {"deep-sea-treasure-v0": (treasures, {}), "fruit-tree-v0": (fruits, {"time_limit": 6})}
    for name, (vectors_of, parameters) in tasks.items():
        vectors = vectors_of()
        for num_policies in BUDGETS:
            best = []
            for seed in SEEDS:
                problem = handful.make(
                    f"mo-gymnasium:{name}", users=USERS, population_seed=seed, **parameters
                )
                weights = problem.population.coefficients
                best.append(best_welfare(weights, vectors, num_policies))
            numbers = ", ".join(f"{welfare:.3f}" for welfare in best)
            print(f"{name}, k = {num_policies}: {numbers}; mean {np.mean(best):.3f}")


if __name__ == "__main__":
    main()
