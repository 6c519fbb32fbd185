"""How often kinds of EM end in the global optimum, where every step is exact.

300 random tabular r-MDPs (6 states, 3 actions, 8 users, discount 0.9), half of them dense (any
state follows any, all rewards differ), half sparse (a random graph, 15 % of the rewards not zero),
with 1 to 4 policies. The optimum is proven by trying every deterministic policy.

    python studies/exact_em.py        # ten minutes; writes results/exact-em/
"""

from pathlib import Path

import numpy as np

from handful._support.files import write_text
from handful.exact.em import annealed_em, elite_em, exact_em, pooled_em
from handful.exact.search import enumerated_optimum
from handful.exact.tabular import random_rmdp

NUM_PROBLEMS = 300
BUDGETS = (1, 2, 3, 4)
STATES, ACTIONS, USERS, DISCOUNT = 6, 3, 8, 0.9
TOLERANCE = 1e-5
"""As a share of the optimum: its own proof is no finer."""

OUT = Path("results/exact-em/exact-em.md")


def attained(seed: int, num_policies: int) -> dict[str, float]:
    """Each method's welfare as a share of the optimum."""
    kind = "dense" if seed % 2 == 0 else "sparse"
    rmdp = random_rmdp(seed, kind, STATES, ACTIONS, USERS, DISCOUNT)
    optimum = enumerated_optimum(rmdp, num_policies).welfare
    rng = np.random.default_rng(seed)
    starts = [
        exact_em(rmdp, rng.permutation(USERS) % num_policies, num_policies).welfare
        for _ in range(100)
    ]
    found = {
        "EM": starts[0],
        "annealed EM": annealed_em(rmdp, num_policies, seed).welfare,
        "EM, best of 10 starts": max(starts[:10]),
        "EM, best of 100 starts": max(starts),
        "elite EM, 20 starts": elite_em(rmdp, num_policies, seed, starts=20).welfare,
        "pooled EM, 10 starts": pooled_em(rmdp, num_policies, seed, starts=10).welfare,
        "pooled EM, 100 starts": pooled_em(rmdp, num_policies, seed, starts=100).welfare,
    }
    if optimum == 0.0:  # nobody can be served at all
        return dict.fromkeys(found, 1.0)
    return {name: welfare / optimum for name, welfare in found.items()}


def main() -> None:
    """Run all of them and write the page."""
    shares = {k: [attained(seed, k) for seed in range(NUM_PROBLEMS)] for k in BUDGETS}
    names = list(shares[1][0])
    lines = [
        "# How often EM ends in the global optimum",
        "",
        f"Made by `python studies/exact_em.py`: {NUM_PROBLEMS} random tabular r-MDPs ({STATES} "
        f"states, {ACTIONS} actions, {USERS} users; seeds 0 to {NUM_PROBLEMS - 1}, half dense, "
        f"half sparse), exact M-steps, against the optimum proven by enumeration. Percent of the "
        f"problems whose global optimum was found, and in brackets the mean welfare in percent of "
        f"the optimum.",
        "",
        f"| | {' | '.join(f'k = {k}' for k in BUDGETS)} |",
        "| --- |" + " --- |" * len(BUDGETS),
    ]
    for name in names:
        cells = []
        for k in BUDGETS:
            values = np.array([share[name] for share in shares[k]])
            cells.append(
                f"{100 * (values > 1 - TOLERANCE).mean():.1f} % ({100 * values.mean():.2f})"
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_text(OUT, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
