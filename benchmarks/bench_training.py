"""Transitions a second in training, what they are spent on, and the time to the first update.

Resource Gathering, k = 5, in one process, training included. The machine's speed drifts, so the
configurations take turns, round after round, and each is also given as a ratio to plain matrix
products of the same shapes as the learner's (`reference`), measured in the same rounds.

    python benchmarks/bench_training.py [--rounds 5] [--json]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

from turns import parser, take_turns

from handful.devices import use_cores

use_cores()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from handful.collect.jax_rollout import collect  # noqa: E402
from handful.learner.parallel import core_mesh, replicate  # noqa: E402
from handful.problem import make  # noqa: E402
from handful.training.config import TrainConfig, resolve_settings  # noqa: E402
from handful.training.run import Run  # noqa: E402
from handful.training.state import init_state  # noqa: E402
from handful.training.step import train_step  # noqa: E402

NUM_POLICIES = 5
UPDATES_A_ROUND = 10

FIRST_UPDATE = """
import time; start = time.time()
import os, sys
import handful
from handful.devices import keep_compiled_programs, use_cores
from handful.training.run import Run  # noqa: E402
use_cores(); keep_compiled_programs()
class Stop(Exception): pass
class First(handful.Callback):
    def on_update(self, report): raise Stop
try:
    handful.train(handful.make("resource-gathering"), 5, preset=sys.argv[1], callbacks=[First()])
except Stop:
    print(time.time() - start)
"""


def training_rate(preset: str):
    """A function that trains for a while and returns transitions a second."""
    problem = make("resource-gathering")
    learner, collecting = resolve_settings(preset, {})
    config = TrainConfig(num_policies=NUM_POLICIES, learner=learner, collect=collecting)
    mesh = core_mesh()
    step = jax.jit(partial(train_step, run=Run(problem, config, mesh)), donate_argnums=0)
    state = replicate(init_state(Run(problem, config)), mesh)
    state, _ = step(state)

    def measure() -> float:
        nonlocal state
        start = time.perf_counter()
        for _ in range(UPDATES_A_ROUND):
            state, metrics = step(state)
            jax.device_get(metrics)  # as the training loop does
        seconds = time.perf_counter() - start
        return UPDATES_A_ROUND * config.collect.batch_size * NUM_POLICIES / seconds

    measure()
    return measure


def collection_rate(preset: str):
    """The same for collection alone: policies acting in environments, nothing learnt."""
    problem = make("resource-gathering")
    learner, collecting = resolve_settings(preset, {})
    config = TrainConfig(num_policies=NUM_POLICIES, learner=learner, collect=collecting)
    state = init_state(Run(problem, config))
    run = jax.jit(
        lambda collector: collect(
            collector, problem, state.policies(problem), config.collect.num_steps
        )
    )
    jax.block_until_ready(run(state.collector))

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(UPDATES_A_ROUND):
            jax.block_until_ready(run(state.collector))
        seconds = time.perf_counter() - start
        return UPDATES_A_ROUND * config.collect.batch_size * NUM_POLICIES / seconds

    return measure


def reference_rate():
    """Gigaflops of matrix products with the shapes of one minibatch."""
    left, right = jnp.ones((NUM_POLICIES * 64, 51)), jnp.ones((51, 64))
    repeats = 2000

    @jax.jit
    def products(left, right):
        return jax.lax.fori_loop(
            0, repeats, lambda i, x: x + (left + i) @ right, jnp.zeros((320, 64))
        )

    jax.block_until_ready(products(left, right))

    def measure() -> float:
        start = time.perf_counter()
        jax.block_until_ready(products(left, right))
        seconds = time.perf_counter() - start
        return 2e-9 * repeats * left.shape[0] * left.shape[1] * right.shape[1] / seconds

    return measure


def seconds_to_first_update(preset: str, cache: str) -> float:
    """From the start of a process to the first update done; compiled programs may be in `cache`."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
    command = [sys.executable, "-c", FIRST_UPDATE, preset]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(output.stdout)


def main() -> None:
    """Measure in turns and print medians."""
    arguments = parser(__doc__, rounds=5).parse_args()
    measures = {
        "paper training (transitions/s)": training_rate("paper"),
        "paper collection only (transitions/s)": collection_rate("paper"),
        "fast training (transitions/s)": training_rate("fast"),
        "fast collection only (transitions/s)": collection_rate("fast"),
        "reference (Gflop/s)": reference_rate(),
    }
    samples = take_turns(measures, arguments.rounds)
    for preset in ("paper", "fast"):
        with tempfile.TemporaryDirectory() as cache:
            for warmth in ("cold", "cached"):
                name = f"{preset} first update, {warmth} (s)"
                samples[name] = [seconds_to_first_update(preset, cache)]
    results = {
        name: {"median": statistics.median(s), "min": min(s), "max": max(s)}
        for name, s in samples.items()
    }
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"k = {NUM_POLICIES}, {len(jax.devices())} CPU devices, {arguments.rounds} rounds")
    for name, result in results.items():
        print(
            f"{name:40} {result['median']:12,.1f}   ({result['min']:,.1f} to {result['max']:,.1f})"
        )


if __name__ == "__main__":
    main()
