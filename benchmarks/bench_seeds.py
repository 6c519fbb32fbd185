"""Several seeds in one vmapped program on one core, against one seed after the other on it.

A sweep keeps every core busy with runs of their own, so what counts is the work that a core does
for a seed: CPU seconds of an update and a seed, which other programs on the machine hardly change.
On a GPU it is the seconds on the wall, and the core only starts what the GPU does. The programs
take turns, and each number is the median over the turns.

    python benchmarks/bench_seeds.py [--cases paper:1 paper:25] [--seeds 1 10] [--rounds 3] [--json]
"""

import json
import statistics
import time
from functools import partial

from turns import parser, stay_on_one_core, take_turns

stay_on_one_core()

import jax  # noqa: E402

from handful.problem import make  # noqa: E402
from handful.training.config import TrainConfig, resolve_settings  # noqa: E402
from handful.training.run import Run  # noqa: E402
from handful.training.state import init_state  # noqa: E402
from handful.training.step import train_step  # noqa: E402

TASK = "resource-gathering"
CASES = ["paper:1", "paper:2", "paper:5", "fast:1", "fast:5"]
SEEDS = [1, 2, 4]
SECONDS_A_TURN = 2.0


def turn(preset: str, num_policies: int, num_seeds: int):
    """A function that trains for a while; seconds of an update and a seed."""
    problem = make(TASK)
    learner, collecting = resolve_settings(preset, {})
    configs = [
        TrainConfig(num_policies=num_policies, seed=seed, learner=learner, collect=collecting)
        for seed in range(num_seeds)
    ]
    one_step = partial(train_step, run=Run(problem, configs[0], mesh=None))
    states = [init_state(Run(problem, config)) for config in configs]
    if num_seeds == 1:
        step, state = jax.jit(one_step, donate_argnums=0), states[0]
    else:
        step = jax.jit(jax.vmap(one_step), donate_argnums=0)
        state = jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *states)
    state, metrics = step(state)
    jax.block_until_ready(metrics)

    def measure() -> float:
        nonlocal state
        clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
        updates, start = 0, clock()
        while clock() - start < SECONDS_A_TURN:
            state, metrics = step(state)
            jax.device_get(metrics)
            updates += 1
        return (clock() - start) / (updates * num_seeds)

    return measure


def main() -> None:
    command = parser(__doc__, rounds=3)
    command.add_argument("--cases", nargs="+", default=CASES, metavar="PRESET:K")
    command.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="1 must be one")
    arguments = command.parse_args()
    device = jax.devices()[0].device_kind
    results = []
    for case in arguments.cases:
        preset, num_policies = case.split(":")
        turns = {seeds: turn(preset, int(num_policies), seeds) for seeds in arguments.seeds}
        seconds = take_turns(turns, arguments.rounds)
        median = {seeds: statistics.median(values) for seeds, values in seconds.items()}
        results.append(
            {
                "preset": preset,
                "policies": int(num_policies),
                "seconds": median,
                "device": device,
            }
        )
        if not arguments.json:
            cells = ", ".join(
                f"{seeds} vmapped {1000 * value:.1f} ms ({median[1] / value:.2f} x)"
                for seeds, value in median.items()
                if seeds != 1
            )
            print(
                f"{device}, {preset:5} k = {num_policies}: alone {1000 * median[1]:.1f} ms "
                f"an update and seed; {cells}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
