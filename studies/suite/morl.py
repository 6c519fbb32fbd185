"""The best k of the set that MORL-Baselines makes, at equal transitions in all.

GPI-LS (Alegre et al., 2023) where actions are finite, and CAPQL (Lu et al., 2023) where they are
not, train one network for all weights of the features. Its policies for the weights of a share of
the users, and for those that GPI-LS found worth supporting, are tried in validation episodes, and
the best k chosen as every baseline's are. Settings are those of the package but for smaller
networks, an update every eighth transition (with one a transition a run would take two hours of a
core), and an exploration that falls from 1 to 0.05 over half of the transitions instead of the
constant 0.01; nothing was tuned.

The package has heavy requirements, so it runs in an environment of its own
(``studies/suite/requirements-morl.txt``), which ``python -m studies.suite --morl-python`` names.
"""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import gymnasium
import jax
import numpy as np

import handful
from handful.errors import HandfulError
from handful.sweep.study import RunRequest
from studies.suite.baselines import best_of
from studies.suite.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable

MORL = "morl-baselines"
TRIED = 20
"""The users whose weights become candidates, spread evenly over all."""

UPDATE_EVERY = 8
"""Transitions for each update of the networks."""

TRAINED = 0.8
"""The share of the transitions for training; GPI-LS evaluates with more of them."""

NETWORK = [128, 128]
EPISODES = 2
"""Episodes by which GPI-LS evaluates a weight."""


class FeatureEnv(gymnasium.Env):
    """A problem with its reward features as the vector reward of MO-Gymnasium, one at a time.

    Args:
        problem: the problem.
        signs: [D], by which features are multiplied.
        seed: of its chance.

    Attributes:
        transitions: how many were taken.
    """

    def __init__(self, problem: handful.RMDP, signs: np.ndarray, seed: int) -> None:
        environment, space = problem.environment, problem.environment.action_space
        self.observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (environment.observation_size,), np.float32
        )
        if isinstance(space, handful.Discrete):
            self.action_space = gymnasium.spaces.Discrete(space.num_actions)
        else:
            low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
            self.action_space = gymnasium.spaces.Box(low, high)
        self.reward_space = gymnasium.spaces.Box(-np.inf, np.inf, (problem.num_features,))
        self.reward_dim, self.transitions = problem.num_features, 0
        self._signs, self._limit, self._age = signs, environment.time_limit, 0
        self._pay = jax.jit(problem.population.features)
        if problem.runs_on_host:
            self._batch = problem.host_environment.open(1, seed, 1)
            self._start, self._take = self._start_on_host, self._take_on_host
        else:
            self._key = jax.random.key(seed)
            self._reset_jax = jax.jit(problem.jax_environment.reset)
            self._step_jax = jax.jit(problem.jax_environment.step)
            self._start, self._take = self._start_in_jax, self._take_in_jax

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        """Start an episode; its chance goes on from the seed of the object."""
        super().reset(seed=seed)
        self._age = 0
        return np.asarray(self._start(), np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, np.ndarray, bool, bool, dict]:
        """Take one action; the reward is the features [D]."""
        self.transitions += 1
        self._age += 1
        seen, outcome, terminated, truncated = self._take(action)
        features = np.asarray(self._pay(outcome), np.float32) * self._signs
        is_cut = bool(truncated) or self._age >= self._limit
        return np.asarray(seen, np.float32), features, bool(terminated), is_cut, {}

    def _start_on_host(self) -> np.ndarray:
        return self._batch.reset(np.array([0]))[0]

    def _take_on_host(self, action: Any) -> tuple:
        taken = self._batch.step(np.asarray(action)[None])
        rest = taken.terminated[0], taken.truncated[0]
        return taken.observation[0], jax.tree.map(lambda leaf: leaf[0], taken.outcome), *rest

    def _start_in_jax(self) -> Any:
        self._key, now = jax.random.split(self._key)
        self._state, seen = self._reset_jax(now)
        return seen

    def _take_in_jax(self, action: Any) -> tuple:
        self._key, now = jax.random.split(self._key)
        self._state, taken = self._step_jax(now, self._state, np.asarray(action))
        return taken.observation, taken.outcome, taken.terminated, taken.truncated


def weights_of(problem: handful.RMDP) -> tuple[np.ndarray, np.ndarray]:
    """The users' weights as MORL-Baselines takes them: none below 0, in sum 1.

    Returns:
        the weights [N, D], and the signs [D] by which features are multiplied for it.

    Raises:
        HandfulError: if some users like a feature that others dislike.
    """
    coefficients = np.asarray(problem.population.coefficients, float)
    signs = np.where(coefficients.sum(axis=0) < 0, -1.0, 1.0)
    weights = coefficients * signs
    if (weights < 0).any():
        raise HandfulError(f"Users of '{problem.name}' disagree about the sign of a feature.")
    return weights / weights.sum(axis=1, keepdims=True), signs


def policies_of_set(
    problem: handful.RMDP, seed: int, budget: int
) -> tuple[dict[str, "Callable"], int]:
    """Train a set of policies, and give a function of an observation for each, and the cost."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    weights, signs = weights_of(problem)
    training, trials = (FeatureEnv(problem, signs, seed + more) for more in (0, 500_000))
    steps = int(TRAINED * budget)
    tried = list(weights[np.linspace(0, len(weights) - 1, TRIED).round().astype(int)])
    point = np.full(problem.num_features, -1e6)
    if isinstance(training.action_space, gymnasium.spaces.Discrete):
        from morl_baselines.multi_policy.gpi_pd.gpi_pd import GPILS

        agent = _updated_seldom(GPILS)(
            training,
            initial_epsilon=1.0,
            final_epsilon=0.05,
            epsilon_decay_steps=steps // 2,
            net_arch=NETWORK,
            gradient_updates=1,
            target_net_update_freq=200,
            gamma=problem.discount,
            log=False,
            seed=seed,
            device="cpu",
        )
        agent.train(
            steps,
            trials,
            point,
            num_eval_episodes_for_front=EPISODES,
            timesteps_per_iter=max(steps // 15, 1),
            checkpoints=False,
        )
        tried += [weight.numpy() for weight in agent.weight_support]
    else:
        from morl_baselines.multi_policy.capql.capql import CAPQL

        agent = _updated_seldom(CAPQL)(
            training, net_arch=NETWORK, gamma=problem.discount, log=False, seed=seed, device="cpu"
        )
        agent.train(steps, trials, point)
    decode = getattr(problem.environment, "decode", lambda action: action)

    def act(observation: np.ndarray, weight: np.ndarray) -> Any:
        return decode(np.asarray(agent.eval(observation, weight)))

    named = {f"weights {index}": partial(act, weight=weight) for index, weight in enumerate(tried)}
    return named, training.transitions + trials.transitions


def _updated_seldom(base: type) -> type:
    """The same algorithm with an update every so many transitions."""

    class Seldom(base):
        def update(self, *args: Any) -> None:
            if self.global_step % UPDATE_EVERY == 0:
                super().update(*args)

    return Seldom


def morl_row(request: RunRequest, python: Path) -> tuple[Row, np.ndarray]:
    """Run it in the environment that has MORL-Baselines.

    Returns:
        its row, and what its policies earn every user [K, N].

    Raises:
        HandfulError: if it failed there.
    """
    config = request.config
    with TemporaryDirectory() as folder:
        out = Path(folder) / "served.npz"
        sizes = [str(n) for n in (config.num_policies, config.seed, config.steps)]
        about = [request.task, json.dumps(dict(request.parameters)), *sizes, str(out)]
        done = subprocess.run(
            [str(python), "-m", "studies.suite.morl", *about],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise HandfulError(f"MORL-Baselines failed on '{request.task}': {' '.join(last)}")
        with np.load(out, allow_pickle=False) as served:
            numbers = {name: served[name] for name in served.files}
    row = Row(
        request.task,
        MORL,
        MORL,
        config.num_policies,
        config.seed,
        config.steps,
        float(numbers["welfare"]),
        int(numbers["transitions"]),
        float(numbers["seconds"]),
    )
    return row, numbers["returns"]


def main(task: str, parameters: str, k: str, seed: str, steps: str, out: str) -> None:
    """Train, choose and measure, and write what came of it."""
    start = time.perf_counter()
    problem = handful.make(task, **json.loads(parameters))
    agents, spent = policies_of_set(problem, int(seed), int(k) * int(steps))
    served = best_of(problem, agents, int(k), int(seed), spent)
    np.savez(
        out,
        welfare=served.welfare,
        returns=served.returns,
        transitions=served.transitions,
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
