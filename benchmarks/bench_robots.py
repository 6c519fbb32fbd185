"""HalfCheetah: training against raw stepping and against Stable-Baselines3, and how cost grows.

Every measurement is a process of its own, so that its memory is its own too; they take turns,
round after round, as the machine's speed drifts, and what counts are the ratios within this run.

    python benchmarks/bench_robots.py [--rounds 3] [--seconds 8] [--only training sb3 ...] [--json]

The comparison with Stable-Baselines3 needs it, best in a virtual environment of its own, as it
wants older packages: pip install -r benchmarks/requirements.txt there, and --sb3-python here.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

MEASUREMENTS = {
    "raw": {"kind": "raw"},
    "paper": {"kind": "train", "preset": "paper"},
    "fast": {"kind": "train", "preset": "fast"},
    "paper, overlap": {"kind": "train", "preset": "paper", "overlap": True},
    "one policy, one user": {"kind": "train", "policies": 1, "users": 1},
    "Stable-Baselines3, one user": {"kind": "sb3"},
    "k = 1": {"kind": "train", "policies": 1},
    "k = 2": {"kind": "train", "policies": 2},
    "k = 10": {"kind": "train", "policies": 10},
    "k = 50": {"kind": "train", "policies": 50},
    "n = 1,000": {"kind": "train", "users": 1_000},
    "n = 10,000": {"kind": "train", "users": 10_000},
    "n = 100,000": {"kind": "train", "users": 100_000},
    "k = 50, n = 1,000": {"kind": "train", "policies": 50, "users": 1_000},
}

GROUPS = {
    "training": ["raw", "paper", "fast", "paper, overlap"],
    "sb3": ["one policy, one user", "Stable-Baselines3, one user"],
    "policies": ["k = 1", "k = 2", "paper", "k = 10", "k = 50"],
    "users": ["paper", "n = 1,000", "n = 10,000", "n = 100,000"],
    "large": ["k = 50, n = 1,000"],
}


def raw_rate(seconds: float) -> dict[str, float]:
    """EnvPool's own steps a second with random actions, on all cores."""
    import envpool
    import numpy as np

    from handful.devices import usable_cores

    num_envs = 40
    env = envpool.make_gymnasium("HalfCheetah-v4", num_envs=num_envs, num_threads=usable_cores())
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (100, num_envs, 6))
    env.step(actions[0])
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for action in actions:
            env.step(action)
        steps += actions.shape[0] * num_envs
    return {"rate": steps / (time.perf_counter() - start)}


def training_rate(
    seconds: float, policies: int = 5, users: int = 100, preset: str = "paper", overlap=False
) -> dict[str, float]:
    """Transitions a second of the training loop, and what they are spent on."""
    from handful.devices import keep_compiled_programs, use_cores

    use_cores()
    keep_compiled_programs()
    import jax

    from handful.learner.parallel import core_mesh, replicate
    from handful.problem import make
    from handful.training.config import TrainConfig, make_config
    from handful.training.run import Run
    from handful.training.state import init_state
    from handful.training.stepper import open_stepper

    problem = make("half-cheetah", users=users)
    suited = make_config(problem, policies, "em", preset)
    config = TrainConfig(
        num_policies=policies, overlap=overlap, learner=suited.learner, collect=suited.collect
    )
    mesh = core_mesh()
    transitions = config.collect.batch_size * policies
    with open_stepper(Run(problem, config, mesh)) as step:
        state = replicate(init_state(Run(problem, config)), mesh)
        for _ in range(2):
            state, metrics = step(state)
        jax.device_get(metrics)
        start, updates = time.perf_counter(), 0
        while updates < 2 or time.perf_counter() - start < seconds:
            state, metrics = step(state)
            jax.device_get(metrics)  # as the training loop does
            updates += 1
        spent = time.perf_counter() - start
    return {"rate": updates * transitions / spent, "features": problem.num_features}


def sb3_rate(seconds: float) -> dict[str, float]:
    """Stable-Baselines3's PPO for one user, with the same network, batch and epochs."""
    import gymnasium
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    class OneUser(gymnasium.Wrapper):
        def step(self, action):
            observation, _, terminated, truncated, info = self.env.step(action)
            reward = max(0.0, 1 - 20 * abs(2.0 - info["x_velocity"]) / 4.0) / 10
            return observation, reward, terminated, truncated, info

    class Clock(BaseCallback):
        def _on_rollout_start(self):  # the first batch pays for the start
            if self.num_timesteps and not hasattr(self, "start"):
                self.start, self.first = time.perf_counter(), self.num_timesteps

        def _on_step(self):
            return True

        def rate(self):
            return (self.num_timesteps - self.first) / (time.perf_counter() - self.start)

    num_envs = 8
    vec = DummyVecEnv([lambda: OneUser(gymnasium.make("HalfCheetah-v4"))] * num_envs)
    model = PPO(
        "MlpPolicy",
        VecNormalize(vec, norm_reward=False),
        n_steps=2048 // num_envs,
        batch_size=64,
        n_epochs=10,
        ent_coef=0.001,
        policy_kwargs={"net_arch": [64]},
        device="cpu",
    )
    clock = Clock()
    updates = 1 + max(2, round(seconds * 1000 / 2048))
    model.learn(updates * 2048, callback=clock)
    return {"rate": clock.rate()}


def measure(name: str, seconds: float, python: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [python, __file__, "--one", name, "--seconds", str(seconds)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def run_one(name: str, seconds: float) -> None:
    """The child's side of :func:`measure`."""
    request = dict(MEASUREMENTS[name])
    kind = {"raw": raw_rate, "train": training_rate, "sb3": sb3_rate}[request.pop("kind")]
    result = kind(seconds, **request)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({**result, "gigabytes": peak}))


def main() -> None:
    """Measure in turns and print medians, and each group as a ratio to its first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sb3-python", default=sys.executable)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one, arguments.seconds)
        return
    has_sb3 = [arguments.sb3_python, "-c", "import stable_baselines3"]
    if "sb3" in arguments.only and subprocess.run(has_sb3, capture_output=True).returncode:
        print("stable_baselines3 is not installed: its group is left out", file=sys.stderr)
        arguments.only.remove("sb3")
    names = list(dict.fromkeys(name for group in arguments.only for name in GROUPS[group]))
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            is_ours = MEASUREMENTS[name]["kind"] != "sb3"
            python = sys.executable if is_ours else arguments.sb3_python
            samples[name].append(measure(name, arguments.seconds, python))
    results = {
        name: {key: statistics.median(one[key] for one in measured) for key in measured[0]}
        for name, measured in samples.items()
    }
    if arguments.json:
        from handful.devices import usable_cores

        print(json.dumps({"cores": usable_cores(), "results": results}))
        return
    for group in arguments.only:
        first = results[GROUPS[group][0]]["rate"]
        print(f"{group} ({arguments.rounds} rounds, median)")
        for name in GROUPS[group]:
            rates = [one["rate"] for one in samples[name]]
            result = results[name]
            print(
                f"  {name:30} {result['rate']:10,.0f} transitions/s "
                f"({min(rates):,.0f} to {max(rates):,.0f})  {result['rate'] / first:6.2f} of the "
                f"first  {result['gigabytes']:5.1f} GB"
            )


if __name__ == "__main__":
    main()
