"""Small bundles to test with, made from policies of random weights in a moment."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import gymnasium
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

import handful
from handful.deploy.files import SUMS
from handful.deploy.parts import MANIFEST
from handful.environment import Box
from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import Evaluation, summarize
from handful.export.bundle import Release, bundle_files
from handful.learner.networks import Actor, Layer, NetworkStack
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies, reader_of

NESTED = spaces.Dict(
    {
        "camera": spaces.Box(0, 255, (2, 3), np.uint8),
        "body": spaces.Dict(
            {
                "speed": spaces.Box(-np.inf, np.inf, (2,), np.float64),
                "gear": spaces.Discrete(4, start=-1),
            }
        ),
        "doors": spaces.MultiBinary(3),
        "levers": spaces.MultiDiscrete([[2, 3], [4, 2]], start=[[0, 1], [0, -1]]),
        "history": spaces.Tuple((spaces.Box(-1.0, 1.0, ()), spaces.Discrete(2))),
    }
)
"""A space with a part of every kind."""


class Nested(gymnasium.Env):
    """An environment with observations of every kind; the reward says which actions were taken."""

    def __init__(self, action_space=None, observation_space=NESTED):
        self.observation_space = observation_space
        self.action_space = action_space or spaces.MultiDiscrete([3, 2], start=[-1, 5])
        self.age = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.age = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.age += 1
        reward = float(np.sum(action))
        return self.observation_space.sample(), reward, self.age >= 5, False, {}


def nested_problem(action_space=None, observation_space=NESTED):
    """A problem with three users who weigh the one feature."""
    env = Nested(action_space, observation_space)
    weights = np.array([[1.0], [-1.0], [0.5]])
    return handful.from_gymnasium(env, weights, time_limit=5, processes=1)


def random_policies(problem, num_policies, seed=0, hidden=(8,)):
    """Policies with random weights and statistics."""
    environment, rng = problem.environment, np.random.default_rng(seed)
    size, space = environment.observation_size, environment.action_space
    outputs = space.size if isinstance(space, Box) else space.num_actions

    def numbers(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    layers = [
        Layer(numbers(num_policies, i, h), numbers(num_policies, 1, h))
        for i, h in pairwise((size, *hidden, outputs))
    ]
    spread = numbers(num_policies, outputs) if isinstance(space, Box) else None
    normalizer = Normalizer(
        count=numbers(num_policies) ** 2,
        mean=numbers(num_policies, size),
        variance=numbers(num_policies, size) ** 2,
    )
    actor = Actor(NetworkStack(tuple(layers[:-1]), layers[-1]), spread)
    return Policies(actor, normalizer, space, reader_of(environment))


def release_of(problem, policies, assignment, shares=None, seed=0):
    """What a bundle of these policies is made from; their returns are random numbers."""
    rng, assignment = np.random.default_rng(seed), np.asarray(assignment)
    shape = (6, policies.num_policies)
    measured = [
        summarize(
            FeatureReturns(rng.normal(size=(*shape, problem.num_features)), problem.population),
            rng.integers(1, 9, shape),
            assignment,
            shares,
        )
        for _ in range(2)
    ]
    return Release(
        problem=problem,
        policies=policies,
        evaluation=Evaluation(assignment, shape[0], seed, *measured),
        shares=shares,
        feature_names=(),
        about={
            "created": "2026-01-01T00:00:00+00:00",
            "versions": {"handful": handful.__version__},
            "task": {"name": "custom"},
            "simulator": None,
            "training": {},
        },
        weights=["random"] * policies.num_policies,
    )


def nested_files(with_users=False):
    """The problem, the policies and the files of a bundle for observations of every kind."""
    problem = nested_problem()
    policies = random_policies(problem, 2)
    release = release_of(problem, policies, np.array([0, 1, 0]))
    return problem, policies, bundle_files(release, with_users)


def signed(files):
    """The same files with the digests that they have: a stranger can compute them too."""
    files = {name: data for name, data in files.items() if name != SUMS}
    sums = {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != MANIFEST
    }
    try:
        manifest = json.loads(files[MANIFEST])
        manifest["files"] = sums
        files[MANIFEST] = json.dumps(manifest).encode()
    except (KeyError, TypeError, ValueError, RecursionError):  # what is to be tested
        pass
    if MANIFEST in files:
        sums[MANIFEST] = hashlib.sha256(files[MANIFEST]).hexdigest()
    files[SUMS] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    return files


def put(files, folder):
    """Write files into a folder and return it."""
    for name, data in files.items():
        place = Path(folder) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return Path(folder)
