"""Our PPO beside Stable-Baselines3's: the same robots, the same settings, one policy for one user.

The user is paid what Gymnasium's environment pays, so that nothing is left of `handful` but its
learner. Each run is a process of its own, one after the other: first both libraries on every robot
with the first seed, then with the next. A run that has ended is a row of the table (`--out`), and
is not run again; so the same command goes on where it was stopped. Nothing was tuned for this.

    make bench-ppo
    python benchmarks/ppo_beside_sb3.py --summary --page docs/results.md

Stable-Baselines3 has a virtual environment of its own, whose Python `--sb3-python` names; the
first command makes it.
"""

import argparse
import csv
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROBOTS = {"HalfCheetah-v5": 50.0, "Hopper-v5": 12.0, "Walker2d-v5": 8.0}
"""Both learners divide rewards by this: about what `from_gymnasium` would take by itself, the
return of random actions within the hundred steps that a discount of 0.99 looks ahead."""

SEEDS = (0, 1, 2)
STEPS = 1_000_000
EPISODES = 100
TENTHS = 10

BATCH_SIZE = 2048
MINIBATCH_SIZE = 64
EPOCHS = 10
HIDDEN_SIZES = (64, 64)
LEARNING_RATE = 3e-4
DISCOUNT = 0.99
GAE_LAMBDA = 0.95
CLIP_RANGE = 0.2
MAX_GRAD_NORM = 0.5
ADAM_EPSILON = 1e-5

EVALUATION_SEED = 1_000_000
"""Of Stable-Baselines3's first evaluation episode; each later one adds 1."""

KEY = ("robot", "learner", "seed", "steps")
COLUMNS = (
    *KEY,
    "episodes",
    "return",
    "stderr",
    "length",
    "cpu_seconds",
    *(f"training_{tenth + 1}" for tenth in range(TENTHS)),
    "versions",
)
"""Of the table of runs: `return` and `length` are means over the evaluation's episodes, `stderr`
is the standard error of that mean, `training_1` to `training_10` are the mean returns of the
episodes that ended in each tenth of training (empty where none did), with sampled actions."""


def train_handful(robot: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """Train and evaluate our PPO; the last policy counts, as Stable-Baselines3 hands out its last.

    Args:
        robot: the environment's name in Gymnasium.
        steps: transitions of training.
        episodes: of the evaluation, with the likeliest actions.

    Returns:
        The columns of the table that are measured.
    """
    import handful

    handful.use_cores(1)

    class Returns(handful.Callback):
        """Collects the mean return of the episodes that each batch finished."""

        def __init__(self) -> None:
            self.found: list[tuple[float, float]] = []
            self.last = 0.0

        def on_update(self, report: Any) -> None:
            self.last = time.process_time()
            if report.metrics["episodes"][0]:
                share = report.update / report.num_updates
                self.found.append((share, report.metrics["welfare"]))

    problem = handful.from_gymnasium(
        robot, [[1.0]], discount=DISCOUNT, return_scale=ROBOTS[robot], processes=1
    )
    watch, start = Returns(), time.process_time()
    result = handful.train(
        problem,
        1,
        method="em",
        steps=steps,
        seed=seed,
        settings={
            "learning_rate": LEARNING_RATE,
            "final_learning_rate": 0.0,
            "entropy_coefficient": 0.0,
            "final_entropy_coefficient": 0.0,
            "gae_lambda": GAE_LAMBDA,
            "clip_range": CLIP_RANGE,
            "num_envs": 1,
            "batch_size": BATCH_SIZE,
            "minibatch_size": MINIBATCH_SIZE,
            "num_epochs": EPOCHS,
            "hidden_sizes": HIDDEN_SIZES,
            "max_grad_norm": MAX_GRAD_NORM,
            "adam_epsilon": ADAM_EPSILON,
        },
        run_settings={"keep_best": False, "return_mixing": 1.0},
        threads=1,
        callbacks=[watch],
    )
    evaluation = result.evaluation
    if evaluation.num_episodes != episodes:
        evaluation = handful.evaluate(
            problem, result.policies, result.alpha, seed=seed, num_episodes=episodes
        )
    measured = evaluation.deterministic
    return {
        "return": measured.welfare,
        "stderr": measured.welfare_stderr,
        "length": float(measured.lengths[0]),
        "cpu_seconds": watch.last - start,
        **tenths(watch.found),
    }


def train_sb3(
    robot: str, seed: int, steps: int, episodes: int, own_scale: bool = False
) -> dict[str, Any]:
    """Train and evaluate Stable-Baselines3's PPO; arguments and result as :func:`train_handful`.

    Args:
        own_scale: let `VecNormalize` scale the rewards, as is usual with this library, instead of
            the constant that both learners have.
    """
    import gymnasium
    import numpy as np
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    torch.set_num_threads(1)
    updates = steps // BATCH_SIZE

    class Returns(BaseCallback):
        """Collects the return of each training episode."""

        def __init__(self) -> None:
            super().__init__()
            self.found: list[tuple[float, float]] = []

        def _on_step(self) -> bool:
            share = self.num_timesteps / (updates * BATCH_SIZE)
            for info in self.locals["infos"]:
                if "episode" in info:
                    self.found.append((share, float(info["episode"]["r"])))
            return True

    def make() -> gymnasium.Env:
        env = Monitor(gymnasium.make(robot))
        if own_scale:
            return env
        return gymnasium.wrappers.TransformReward(env, lambda reward: reward / ROBOTS[robot])

    envs = VecNormalize(DummyVecEnv([make]), norm_reward=own_scale, gamma=DISCOUNT, clip_obs=10.0)
    model = PPO(
        "MlpPolicy",
        envs,
        # The share that is left is asked for after each batch: so the first update has the whole
        # rate and the last has none, as ours.
        learning_rate=lambda left: LEARNING_RATE * left * updates / (updates - 1),
        n_steps=BATCH_SIZE,
        batch_size=MINIBATCH_SIZE,
        n_epochs=EPOCHS,
        gamma=DISCOUNT,
        gae_lambda=GAE_LAMBDA,
        clip_range=CLIP_RANGE,
        ent_coef=0.0,
        vf_coef=0.5,  # of the mean square: half of it, as ours
        max_grad_norm=MAX_GRAD_NORM,
        policy_kwargs={
            "net_arch": list(HIDDEN_SIZES),
            "activation_fn": torch.nn.Tanh,
            "optimizer_kwargs": {"eps": ADAM_EPSILON},
        },
        seed=seed,
        device="cpu",
    )
    watch, start = Returns(), time.process_time()
    model.learn(updates * BATCH_SIZE, callback=watch)
    seconds = time.process_time() - start

    env, returns, lengths = gymnasium.make(robot), [], []
    for episode in range(episodes):
        observation, _ = env.reset(seed=EVALUATION_SEED + episode)
        total, length, ended = 0.0, 0, False
        while not ended:
            action, _ = model.predict(envs.normalize_obs(observation), deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            total, length, ended = total + float(reward), length + 1, terminated or truncated
        returns.append(total)
        lengths.append(length)
    return {
        "return": float(np.mean(returns)),
        "stderr": float(np.std(returns, ddof=1) / np.sqrt(episodes)),
        "length": float(np.mean(lengths)),
        "cpu_seconds": seconds,
        **tenths(watch.found),
    }


def train_sb3_own_scale(robot: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """:func:`train_sb3` with rewards that `VecNormalize` scales."""
    return train_sb3(robot, seed, steps, episodes, own_scale=True)


LEARNERS: dict[str, Callable[[str, int, int, int], dict[str, Any]]] = {
    "handful": train_handful,
    "sb3": train_sb3,
    "sb3, its own reward scale": train_sb3_own_scale,
}


def tenths(found: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The mean return in each tenth of training, of pairs (share of training done, return)."""
    means = {}
    for tenth in range(TENTHS):
        inside = [value for share, value in found if tenth < share * TENTHS <= tenth + 1]
        if inside:
            means[f"training_{tenth + 1}"] = statistics.fmean(inside)
    return means


def versions() -> str:
    """Of what a run's numbers depend on, in this process's Python."""
    from importlib.metadata import PackageNotFoundError, version

    known = []
    for name in ("handful", "jax", "stable-baselines3", "torch", "gymnasium", "mujoco", "numpy"):
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(known)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of the table of runs, none if it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a finished run to the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def run_all(arguments: argparse.Namespace) -> None:
    """Run what the table does not have yet, the first seed of everything first."""
    done = {tuple(row[name] for name in KEY) for row in read_rows(arguments.out)}
    for seed in arguments.seeds:
        for robot in arguments.robots:
            for learner in arguments.learners:
                key = (robot, learner, str(seed), str(arguments.steps))
                if key in done:
                    continue
                print(f"{robot}, {learner}, seed {seed} ...", flush=True)
                is_ours = learner == "handful"
                python = sys.executable if is_ours else arguments.sb3_python
                request = {"robot": robot, "seed": seed, "steps": arguments.steps}
                request |= {"learner": learner, "episodes": arguments.episodes}
                command = [python, __file__, "--one", json.dumps(request)]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                row = json.loads(output.stdout.splitlines()[-1])
                append_row(arguments.out, row)
                print(f"  {row['return']:.0f} ± {row['stderr']:.0f}", flush=True)


def run_one(request: dict[str, Any]) -> None:
    """The child's side of :func:`run_all`: one run, and its row as JSON."""
    learner = LEARNERS[request["learner"]]
    measured = learner(request["robot"], request["seed"], request["steps"], request["episodes"])
    rounded = {name: round(value, 1 if name == "length" else 2) for name, value in measured.items()}
    print(json.dumps({**request, **rounded, "versions": versions()}))


def summary(rows: Sequence[dict[str, str]]) -> str:
    """A Markdown table: the mean over seeds, its standard error, and every seed."""
    lines = [
        "| robot | learner | seeds | return | each seed | CPU minutes a run |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    pairs = dict.fromkeys((row["robot"], row["learner"]) for row in rows)
    for robot, learner in sorted(pairs):
        runs = [row for row in rows if (row["robot"], row["learner"]) == (robot, learner)]
        runs.sort(key=lambda row: int(row["seed"]))
        returns = [float(row["return"]) for row in runs]
        mean = f"{statistics.fmean(returns):,.0f}"
        if len(returns) > 1:
            mean += f" ± {statistics.stdev(returns) / len(returns) ** 0.5:,.0f}"
        each = "; ".join(f"{value:,.0f}" for value in returns)
        minutes = statistics.fmean(float(row["cpu_seconds"]) for row in runs) / 60
        lines.append(f"| {robot} | {learner} | {len(runs)} | {mean} | {each} | {minutes:.1f} |")
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """A page with this table in place of the one that has the same heading."""
    lines = text.splitlines()
    start = lines.index(table.splitlines()[0])
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    end = start + len(list(rows))
    return "\n".join([*lines[:start], table, *lines[end:]]) + "\n"


def main() -> None:
    """Run what is missing, print what there is, and put it into the page."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--out", type=Path, default=Path("results/ppo/runs.csv"))
    command.add_argument("--robots", nargs="+", choices=ROBOTS, default=list(ROBOTS))
    command.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS)[:2])
    command.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    command.add_argument("--steps", type=int, default=STEPS)
    command.add_argument("--episodes", type=int, default=EPISODES, help="of each evaluation")
    command.add_argument("--sb3-python", default=sys.executable)
    command.add_argument("--page", type=Path, help="whose table of returns is made anew")
    command.add_argument("--summary", action="store_true", help="run nothing")
    command.add_argument("--one", help=argparse.SUPPRESS)
    arguments = command.parse_args()
    if arguments.one:
        run_one(json.loads(arguments.one))
        return
    if not arguments.summary:
        run_all(arguments)
    table = summary(read_rows(arguments.out))
    print(table)
    if arguments.page:
        page = with_table(arguments.page.read_text(encoding="utf-8"), table)
        arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
