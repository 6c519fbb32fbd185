"""How often the test for drift raises a false alarm, and how soon it notices a fault of a sensor.

    python benchmarks/bench_drift.py --out results/serving/drift.csv

For each task and seed, policies are trained for a moment. Then bundles' distributions are recorded
anew for each of some streams of users in use, who play fresh episodes: 16 users of each policy, for
20 windows each. Without a fault, an alarm is false. Each fault is put on one entry, drawn for each
stream among those that vary, from the first observation on; the delay is the number of windows of
single users until the alarm. Faults are put on the observations of policies that act on the true
ones, so that what the policies would do about a fault is not in these figures.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

import handful
from handful.deploy.drift import DriftWatch
from handful.export import recording

TASKS = ("glide", "glucose", "market", "resource-gathering", "icu-sepsis")
POLICIES, USERS, WINDOWS = 3, 16, 20
FAULTS = {
    "none": lambda x, mean, spread: x,
    "moved by half a standard deviation": lambda x, mean, spread: x + 0.5 * spread,
    "moved by a standard deviation": lambda x, mean, spread: x + spread,
    "stretched to twice the spread": lambda x, mean, spread: mean + 2.0 * (x - mean),
    "stuck at its mean": lambda x, mean, spread: 0.0 * x + mean,
}
COLUMNS = ("task", "seed", "fault", "streams", "alarms", "windows_of_stream", "median_delay")


def streams_of(problem, policies, number, seed):
    """Yield the observations [streams, K * USERS, O] of each step."""
    environment = problem.environment
    play = recording._play_on_host if problem.runs_on_host else recording._play_in_jax
    act = recording._Actor(policies, USERS * number, seed)
    act._is_sampled[:] = False
    steps, found = environment.time_limit * WINDOWS, []
    per_policy = (policies.num_policies, number, USERS, policies.observation_size)

    def see(step, observations):
        found.append(np.moveaxis(observations.reshape(per_policy), 1, 0).astype(np.float32))

    play(problem, act, policies.num_policies * USERS * number, steps, seed, see)
    return found


def measure(task, seed, number):
    """Return a row for each fault."""
    problem = handful.make(task)
    result = handful.train(
        problem, POLICIES, "em", steps=20_480, seed=seed, preset="fast", progress=False
    )
    policies = result.policies
    steps = streams_of(problem, policies, number, 7919 + seed)
    size, rng = policies.observation_size, np.random.default_rng(seed)
    policy = np.repeat(np.arange(POLICIES), USERS)
    users = [f"user {row}" for row in range(len(policy))]
    every = np.concatenate([step.reshape(-1, size) for step in steps[:: max(1, len(steps) // 50)]])
    mean, spread = every.mean(axis=0), every.std(axis=0)
    delays = {fault: [] for fault in FAULTS}
    for stream in range(number):
        told = recording.record(problem, policies, 1000 * seed + stream).distributions
        entry = int(rng.choice(np.flatnonzero(spread > 0)))
        for fault, change in FAULTS.items():
            watch = DriftWatch(told)
            for step in steps:
                rows = step[stream].reshape(-1, size).copy()
                rows[:, entry] = change(rows[:, entry], mean[entry], spread[entry])
                if hear(watch, rows, policy, users):
                    break
            windows = watch.state([""] * size).windows
            delays[fault].append(windows if watch.drifted else None)
    return [
        {
            "task": task,
            "seed": seed,
            "fault": fault,
            "streams": number,
            "alarms": sum(delay is not None for delay in found),
            "windows_of_stream": POLICIES * USERS * WINDOWS,
            "median_delay": delay_of(found),
        }
        for fault, found in delays.items()
    ]


def hear(watch, rows, policy, users):
    """Give the test one observation of each user, one after another, until there is an alarm."""
    for row, number, user in zip(rows, policy.tolist(), users, strict=True):
        watch(row[None], number, user, None, False)
        if watch.drifted:
            return True
    return False


def delay_of(found):
    """Return the median delay; empty if half of the streams end without an alarm."""
    middle = sorted(np.inf if delay is None else delay for delay in found)[len(found) // 2]
    return "" if middle == np.inf else int(middle)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--streams", type=int, default=20)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for task in arguments.tasks:
            for seed in arguments.seeds:
                rows = measure(task, seed, arguments.streams)
                table.writerows(rows)
                file.flush()
                for row in rows:
                    print(*row.values(), sep=", ")


if __name__ == "__main__":
    main()
