"""How many actions a bundle gives in a second on one core, and how long it takes to load.

    python benchmarks/bench_deploy.py --json results/serving/acting.json
    python benchmarks/bench_deploy.py --beside ../other-checkout/src

Bundles with random weights of usual shapes are written first, by a process of its own. Then a
process that imports NumPy only loads each of them and acts: one observation at a time, and in
batches of 10,000. Each number is the median of five turns of a fifth of a second, and seconds are
those of the processor, which other programs on the machine hardly change. Where episodes have 5
steps, every fifth observation of a user ends a window of the test for drift, its greatest cost.

``--beside`` measures the runtime of another checkout too, in turns with this one's and with the
same bundles, and prints the medians of the ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TURNS, SECONDS, BATCH = 5, 0.2, 10_000

CASES = {
    "finite actions, O = 17, one layer of 64": ("ppo", "discrete", 17, (64,), 20),
    "finite actions, O = 17, two layers of 64": ("ppo", "discrete", 17, (64, 64), 20),
    "vectors, O = 17, two layers of 64": ("ppo", "box", 17, (64, 64), 20),
    "squashed vectors, O = 17, two layers of 256": ("sac", "box", 17, (256, 256), 20),
    "vectors, O = 17, two layers of 64, 5 steps an episode": ("ppo", "box", 17, (64, 64), 5),
    "squashed vectors, O = 17, two layers of 256, 5 steps": ("sac", "box", 17, (256, 256), 5),
}
PAIRS = 5


def stay_on_one_core():
    """Keep this process on one core; NumPy's threads have to be told before it is imported."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def write(folder):
    """Write a bundle for each case."""
    import gymnasium
    import numpy as np
    from gymnasium import spaces

    import handful

    for index, (learner, kind, size, hidden, steps) in enumerate(CASES.values()):

        class Random(gymnasium.Env):
            observation_space = spaces.Box(-1.0, 1.0, (size,), np.float32)
            action_space = spaces.Discrete(6) if kind == "discrete" else spaces.Box(-2.0, 2.0, (6,))

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                return self.np_random.uniform(-1, 1, self.observation_space.shape), {}

            def step(self, action):
                seen = self.np_random.uniform(-1, 1, self.observation_space.shape)
                return seen, float(seen[0]), False, False, {}

        problem = handful.from_gymnasium(Random(), [[1.0], [-1.0]], time_limit=steps, processes=1)
        result = handful.train(
            problem,
            2,
            "em",
            learner=learner,
            steps=512,
            preset="fast",
            settings={
                "actor_sizes" if learner == "sac" else "hidden_sizes": hidden,
                "batch_size": 256,
                "num_envs": 8,
            },
            progress=False,
        )
        result.save(Path(folder) / str(index))


def rate(call, at_once=20):
    """Calls a second, the median of some turns."""
    call()
    rates = []
    for _ in range(TURNS):
        calls, start = 0, time.process_time()
        while time.process_time() < start + SECONDS:
            for _ in range(at_once):
                call()
            calls += at_once
        rates.append(calls / (time.process_time() - start))
    return sorted(rates)[TURNS // 2]


def measure(folder):
    """Print what each bundle does, as JSON."""
    start = time.process_time()
    import numpy as np

    from handful.deploy import load

    imported = time.process_time() - start
    assert "jax" not in sys.modules
    found = {}
    for index, (name, (_, _, size, *_)) in enumerate(CASES.items()):
        start = time.process_time()
        bundle = load(Path(folder) / str(index))
        loaded = time.process_time() - start
        rng = np.random.default_rng(0)
        many = rng.uniform(-1, 1, (BATCH, size)).astype(np.float32)
        one = many[0]
        found[name] = {
            "load, with imports (s)": imported + loaded,
            "one at a time (actions/s)": rate(lambda: bundle.act(one, policy=1)),  # noqa: B023
            "one at a time, of a user": rate(lambda: bundle.act(one, user="user-0")),  # noqa: B023
            "one at a time, sampled": rate(lambda: bundle.act(one, policy=1, rng=rng)),  # noqa: B023
            "in batches (actions/s)": BATCH * rate(lambda: bundle.act(many, policy=1), 1),  # noqa: B023
        }
    print(json.dumps(found))


def measured(folder, source=None):
    """Return what another process measures, with the runtime of a checkout."""
    path = os.environ.get("PYTHONPATH", "") if source is None else str(source)
    done = subprocess.run(
        [sys.executable, __file__, "measure", folder],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return json.loads(done.stdout)


def medians(runs):
    """Return the median of each number over some runs."""
    return {
        name: {what: statistics.median(run[name][what] for run in runs) for what in numbers}
        for name, numbers in runs[0].items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="the folder src of another checkout")
    parser.add_argument("--json", type=Path, help="the file to write the numbers to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "write", folder], check=True)
        runs, others = [], []
        for _ in range(1 if arguments.beside is None else PAIRS):
            runs.append(measured(folder))
            if arguments.beside is not None:
                others.append(measured(folder, arguments.beside.resolve()))
    found = medians(runs)
    if others:
        pairs = [
            {name: {w: run[name][w] / other[name][w] for w in run[name]} for name in run}
            for run, other in zip(runs, others, strict=True)
        ]
        ratios = medians(pairs)
    for name, numbers in found.items():
        print(name)
        for what, number in numbers.items():
            shown = f"{number:14,.3f}" if number < 10 else f"{number:14,.0f}"
            beside = f"   {ratios[name][what]:.2f} times the other" if others else ""
            print(f"    {what:28}{shown}{beside}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2])
    elif sys.argv[1:2] == ["measure"]:
        stay_on_one_core()
        measure(sys.argv[2])
    else:
        main()
