"""A slow environment: training beside what its processes can step when nobody learns.

Each step keeps a core busy for a millisecond. Bare stepping and training take turns in one process,
as the machine's speed drifts; what counts is the ratio within a round.

    python benchmarks/bench_slow_environment.py [--milliseconds 1] [--rounds 3] [--processes 2]
"""

import argparse
import contextlib
import time

import gymnasium
import numpy as np

import handful
from handful.devices import usable_cores

POLICIES, COPIES = 5, 8
UPDATES, BATCH = 4, 512


class Slow(gymnasium.Env):
    """A point on a line whose every step takes its time."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, seconds: float = 1e-3) -> None:
        self.seconds = seconds

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.age = self.np_random.uniform(-1, 1), 0
        return self._observe(), {}

    def step(self, action):
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass
        self.position += action - 1
        self.age += 1
        left, right = float(self.position < 0), float(self.position > 0)
        return self._observe(), left, self.age == 100, False, {"left": left, "right": right}

    def _observe(self):
        return np.array([self.position, self.age / 100], np.float32)


def bare_rate(problem: handful.RMDP, steps: int) -> float:
    """Steps a second of all copies, with actions that nobody thought about."""
    batch = problem.host_environment.open(POLICIES * COPIES, 0, usable_cores())
    actions = np.random.default_rng(0).integers(3, size=(steps, POLICIES * COPIES))
    try:
        batch.reset(np.arange(POLICIES * COPIES))
        start = time.perf_counter()
        for row in actions:
            taken = batch.step(row)
            ended = taken.terminated | taken.truncated
            if ended.any():
                batch.reset(np.flatnonzero(ended))
        return actions.size / (time.perf_counter() - start)
    finally:
        batch.close()


class EnoughError(Exception):
    """Training has been watched for long enough: what follows is evaluation."""


class Watch(handful.Callback):
    """When each update was done."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_update(self, report) -> None:
        self.times.append(time.perf_counter())
        if report.update == report.num_updates:
            raise EnoughError


def training_rate(problem: handful.RMDP, seed: int) -> float:
    """Transitions a second of all policies, from the first update's end to the last's."""
    watch = Watch()
    with contextlib.suppress(EnoughError):
        handful.train(
            problem,
            POLICIES,
            steps=(UPDATES + 1) * BATCH,
            seed=seed,
            settings={"batch_size": BATCH, "num_envs": COPIES},
            callbacks=[watch],
        )
    return UPDATES * BATCH * POLICIES / (watch.times[-1] - watch.times[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--milliseconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=None)
    asked = parser.parse_args()
    handful.use_cores()
    problem = handful.from_gymnasium(
        "bench_slow_environment:Slow",
        features=["left", "right"],
        time_limit=100,
        processes=asked.processes,
        options={"seconds": asked.milliseconds / 1000},
    )
    steps = BATCH * UPDATES // COPIES
    for number in range(1, asked.rounds + 1):
        before = bare_rate(problem, steps // 2)
        training = training_rate(problem, number)
        after = bare_rate(problem, steps // 2)
        bare = (before + after) / 2
        print(
            f"round {number}: bare {before:,.0f} and {after:,.0f} steps/s, "
            f"training {training:,.0f} transitions/s, {training / bare:.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
