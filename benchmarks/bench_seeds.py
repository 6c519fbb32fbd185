"""Several seeds in one vmapped program on one core, against one seed after the other on it.

A sweep keeps every core busy with runs of their own, so what counts is the work that a core does
for a seed: CPU seconds of an update and a seed, which other programs on the machine hardly change.
The programs take turns, and each number is the median over the turns.

    python benchmarks/bench_seeds.py [--rounds 3] [--json]
"""

import json
import statistics
import time
from functools import partial

from turns import parser, stay_on_one_core, take_turns

stay_on_one_core()

import jax  # noqa: E402

from handful.learner.config import PRESETS  # noqa: E402
from handful.problem import make  # noqa: E402
from handful.training.config import TrainConfig  # noqa: E402
from handful.training.state import init_state  # noqa: E402
from handful.training.step import Setting, train_step  # noqa: E402

TASK = "resource-gathering"
CASES = [("paper", 1), ("paper", 2), ("paper", 5), ("fast", 1), ("fast", 5)]
SEEDS = (1, 2, 4)
CPU_SECONDS_A_TURN = 2.0


def turn(preset: str, num_policies: int, num_seeds: int):
    """A function that trains for a while; CPU seconds of an update and a seed."""
    problem = make(TASK)
    configs = [
        TrainConfig(num_policies=num_policies, seed=seed, ppo=PRESETS[preset])
        for seed in range(num_seeds)
    ]
    one_step = partial(train_step, setting=Setting(problem, configs[0], mesh=None))
    states = [init_state(problem, config) for config in configs]
    if num_seeds == 1:
        step, state = jax.jit(one_step, donate_argnums=0), states[0]
    else:
        step = jax.jit(jax.vmap(one_step), donate_argnums=0)
        state = jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *states)
    state, metrics = step(state)
    jax.block_until_ready(metrics)

    def measure() -> float:
        nonlocal state
        updates, start = 0, time.process_time()
        while time.process_time() - start < CPU_SECONDS_A_TURN:
            state, metrics = step(state)
            jax.device_get(metrics)
            updates += 1
        return (time.process_time() - start) / (updates * num_seeds)

    return measure


def main() -> None:
    arguments = parser(__doc__, rounds=3).parse_args()
    results = []
    for preset, num_policies in CASES:
        turns = {seeds: turn(preset, num_policies, seeds) for seeds in SEEDS}
        seconds = take_turns(turns, arguments.rounds)
        median = {seeds: statistics.median(values) for seeds, values in seconds.items()}
        results.append({"preset": preset, "policies": num_policies, "seconds": median})
        if not arguments.json:
            cells = ", ".join(
                f"{seeds} vmapped {1000 * value:.0f} ms ({median[1] / value:.2f} x)"
                for seeds, value in list(median.items())[1:]
            )
            print(
                f"{preset:5} k = {num_policies}: alone {1000 * median[1]:.0f} ms of CPU "
                f"an update and seed; {cells}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
