"""Draws where each policy of a run on the task `highway` is after some seconds of the same traffic.

python docs/images/highway_frames.py RUN OUT.png [--second 8] [--seed 100]
"""

import argparse
from pathlib import Path

import gymnasium
import highway_env  # noqa: F401
import matplotlib.pyplot as plt
import numpy as np

from handful.training.records.run_reader import load_run_state, open_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--second", type=int, default=8)
    parser.add_argument("--seed", type=int, default=100)
    asked = parser.parse_args()
    folder, run = open_run(asked.run)
    policies = load_run_state(folder, run).chosen(run).policies(run.problem)
    environment = run.problem.environment
    served = np.bincount(folder.read_evaluation()["assignment"], minlength=policies.num_policies)
    figure, rows = plt.subplots(
        policies.num_policies, 1, figsize=(8, 2.3 * policies.num_policies), layout="constrained"
    )
    for policy, axes in enumerate(np.atleast_1d(rows)):
        env = gymnasium.make(
            "highway-fast-v0",
            render_mode="rgb_array",
            config={"vehicles_count": 10, "duration": 20, "offscreen_rendering": True},
        )
        observation, _ = env.reset(seed=asked.seed)
        second, over, info = 0, False, {"speed": 0.0}
        while second < asked.second and not over:
            action = policies.act(environment.flatten(observation), policy)
            observation, _, terminated, truncated, info = env.step(environment.decode(action))
            second, over = second + 1, terminated or truncated
        axes.imshow(env.render())
        axes.set_axis_off()
        axes.set_title(
            f"policy {policy} ({served[policy]} users) after {second} s, at {info['speed']:.0f} m/s"
            + (", crashed" if info.get("crashed") else ""),
            loc="left",
        )
        env.close()
    figure.savefig(asked.out, dpi=110)


if __name__ == "__main__":
    main()
