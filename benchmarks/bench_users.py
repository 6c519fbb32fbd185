"""What an update costs as the users become more, and what a whole run of a million of them takes.

The updates of all sizes take turns, so that other programs on the machine slow them all alike, and
each number is the median over the turns: CPU seconds of an update, and how many times those of the
fewest users. It is measured past the warm-up, in the steady state. With --whole a run of ``handful
train`` is measured from its start to its report: seconds on the wall and the most memory that it
held.

    python benchmarks/bench_users.py [--users 100 10000 1000000] [--policies 5 50] [--rounds 5]
                                     [--whole STEPS] [--json]
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from turns import parser, take_turns

from handful.devices import use_cores

use_cores()

import jax  # noqa: E402

from handful.learner.parallel import core_mesh, replicate  # noqa: E402
from handful.problem import make  # noqa: E402
from handful.training.config import make_config  # noqa: E402
from handful.training.run import Run  # noqa: E402
from handful.training.state import init_state  # noqa: E402
from handful.training.stepper import open_stepper  # noqa: E402

TASK = "market"
SETTLED = 30
"""Updates before the first measurement; the warm-up of users is over after five."""

SECONDS_A_TURN = 2.0


def turn(num_users: int, num_policies: int):
    """A function that trains for a while; CPU seconds of an update."""
    problem = make(TASK, users=num_users, population_seed=100, taste=0.002)
    config = make_config(
        problem,
        num_policies,
        "em",
        "fast",
        method_settings={"warm_up": 5},
        steps=10_000_000,
        seed=100,
    )
    mesh = core_mesh()
    step = open_stepper(Run(problem, config, mesh))
    state = replicate(init_state(Run(problem, config)), mesh)
    for _ in range(SETTLED):
        state, metrics = step(state)
    jax.block_until_ready(metrics)

    def measure() -> float:
        nonlocal state
        updates, start, begun = 0, time.process_time(), time.monotonic()
        while time.monotonic() - begun < SECONDS_A_TURN or updates < 8:
            state, metrics = step(state)
            jax.device_get(metrics)
            updates += 1
        return (time.process_time() - start) / updates

    return measure


def whole_run(num_users: int, num_policies: int, steps: int) -> dict[str, float]:
    """Seconds and gigabytes of ``handful train`` with users from Parquet, its report included."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(100)
    with tempfile.TemporaryDirectory() as folder:
        table, run = Path(folder) / "users.parquet", Path(folder) / "run"
        columns = {
            "risk_aversion": np.exp(rng.uniform(0, np.log(10), num_users)),
            "taste": 0.002 * rng.normal(size=num_users),
        }
        pl.DataFrame(columns).write_parquet(table)
        command = [sys.executable, "-m", "handful", "train", TASK, "--population", str(table)]
        command += ["--policies", str(num_policies), "--preset", "fast", "--steps", str(steps)]
        start = time.monotonic()
        subprocess.run([*command, "--out", str(run)], check=True, env=os.environ)
        return {
            "seconds": time.monotonic() - start,
            "gigabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
            "checkpoint_megabytes": (run / "checkpoint.safetensors").stat().st_size / 2**20,
        }


def main() -> None:
    """Measure and print."""
    command = parser(__doc__, rounds=5)
    command.add_argument("--users", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    command.add_argument("--policies", type=int, nargs="+", default=[5, 50])
    command.add_argument("--whole", type=int, help="steps of a whole run of the most users")
    chosen = command.parse_args()
    cases = [(users, policies) for policies in chosen.policies for users in chosen.users]
    samples = take_turns({case: turn(*case) for case in cases}, chosen.rounds)
    medians = {case: statistics.median(seconds) for case, seconds in samples.items()}
    rows = [
        {
            "policies": policies,
            "users": users,
            "milliseconds": 1000 * medians[users, policies],
            "ratio": medians[users, policies] / medians[chosen.users[0], policies],
        }
        for users, policies in cases
    ]
    whole = {}
    if chosen.whole is not None:
        whole = whole_run(max(chosen.users), max(chosen.policies), chosen.whole)
    if chosen.json:
        print(json.dumps({"updates": rows, "whole": whole}))
        return
    for row in rows:
        print(
            f"k = {row['policies']:3}  n = {row['users']:9,}  "
            f"{row['milliseconds']:8.1f} ms CPU an update, {row['ratio']:.2f} times the first"
        )
    for name, value in whole.items():
        print(f"{name.replace('_', ' ')}: {value:,.1f}")


if __name__ == "__main__":
    main()
