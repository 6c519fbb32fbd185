"""What other policies than trained ones are worth to every user, on the episodes of evaluation.

A reference is whatever a provider has already or could have without any training: a constant
action, a rule, an old policy, an agent of another library. It plays alone, in the episodes that the
first policy of :func:`~handful.evaluation.returns.evaluate` plays with likeliest actions and the
same seed, so that both meet the same chance as long as they act alike.

Nothing is loaded but the weights of run folders: agents of other libraries are given as objects,
which the caller has loaded.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.backend import computing
from handful._support.checks import check_seed
from handful._support.foreign import failure, in_same_directory
from handful._support.text import count
from handful.collect.host_rollout import run_host_episodes
from handful.collect.jax_rollout import init_collector, select
from handful.deploy.bundle import Bundle, is_bundle, load
from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.evaluation.played import FeatureReturns, Played, ReturnTable, check_fit
from handful.evaluation.returns import EVALUATION_EPISODES, EVALUATION_STREAM, mean_and_stderr
from handful.exact.facility import choose
from handful.learner.policies import Policies
from handful.learner.policies_file import load_policies
from handful.problem import RMDP, check_problem
from handful.run_folder import RunFolder
from handful.types import (
    Array,
    Bool,
    Float,
    Key,
    NumpyArray,
    PRNGKey,
    PyTree,
    Watch,
    part,
    unwatched,
)

Act = Callable[[NumpyArray], NumpyArray]
"""A function from observations [B, O] to actions inside the action space, [B, A] or int [B]."""


@dataclass(frozen=True, eq=False)
class References:
    """What ``M`` reference policies earn ``N`` users.

    Returns are undiscounted and in the environment's units. Standard errors are over episodes.

    Attributes:
        names: the references' names [M]; of several policies that were given together each has its
            number behind the name, as in ``old 0``.
        lengths: [M] mean episode length in steps.
        num_episodes: how many episodes each reference played.
        seed: the seed of these episodes.
        transitions: how many transitions were played, of all references together.
        played: what every user earned in every episode.
    """

    names: tuple[str, ...]
    lengths: NumpyArray
    num_episodes: int
    seed: int
    transitions: int
    played: Played = field(repr=False)

    @property
    def returns(self) -> NumpyArray:
        """[M, N] mean return of each user from each reference."""
        return self._tables[0]

    @property
    def returns_stderr(self) -> NumpyArray:
        """[M, N] the standard errors of :attr:`returns`."""
        return self._tables[1]

    @property
    def welfare(self) -> NumpyArray:
        """[M] the mean return over users, if the reference served all of them."""
        return np.mean(self.returns, axis=1)

    @property
    def best(self) -> int:
        """The position of the reference that is worth most to all users together."""
        return int(np.argmax(self.welfare))

    def best_welfare(self, num_policies: int) -> float:
        """Measure the best choice of so many references, where all users have their best of it.

        The references and each user's own of them are chosen on one half of the episodes and
        measured on the other, so that luck in the choice does not count.

        Args:
            num_policies: how many references are chosen, at least 1.

        Returns:
            The mean return over users.

        Raises:
            HandfulError: if the number is below 1.
        """
        if num_policies < 1:
            raise HandfulError(f"The number of references must be at least 1, not {num_policies}.")
        half = self.num_episodes // 2
        first, second = (
            _means(self.played.some(episodes)) for episodes in (slice(half), slice(half, None))
        )
        chosen = choose(first, num_policies)
        own = chosen.indices[chosen.assignment]
        return float(second[own, np.arange(second.shape[1])].mean())

    @property
    def _tables(self) -> tuple[NumpyArray, NumpyArray]:
        parts = [mean_and_stderr(returns) for _, returns in self.played.chunks()]
        means, errors = zip(*parts, strict=True)
        return np.concatenate(means, axis=1), np.concatenate(errors, axis=1)


@computing
@in_same_directory
def evaluate_references(
    problem: RMDP,
    references: Mapping[str, Any],
    *,
    seed: int = 0,
    num_episodes: int = EVALUATION_EPISODES,
    watch: Watch = unwatched,
) -> References:
    """Measure policies that were not trained here: what each of them earns every user.

    Args:
        problem: the environment that is played, and the users who are paid.
        references: each reference by its name. A number or a list of numbers is a constant action.
            A function gets one observation [O], as policies see it, and returns an action. An
            object with a method ``predict``, such as an agent of Stable-Baselines3, gets
            observations [B, O] and returns actions, alone or in front of a state. A PyTorch module
            gets them as a tensor and returns actions, or one score for each if they are finite.
            :class:`~handful.Policies` are of an earlier run, or its result, or the path of its
            folder, from which only weights are read; a bundle, or its path, stands for all of its
            policies. Actions are in the environment's own units. An object with ``predict`` sees
            what a Gymnasium environment shows, in its own spaces; all others see vectors.
        seed: the seed of the episodes, which are those that ``handful.evaluate`` plays with it.
        num_episodes: how many episodes each reference plays; even and at least 4.
        watch: is called with the share of the episodes that has been played.

    Returns:
        What every user earns from each reference, with standard errors.

    Raises:
        HandfulError: if a reference is none of these kinds, fails, or does not fit the problem; if
            there is none; or if the seed or the number of episodes cannot be used.

    Examples:
        Two actions of Resource Gathering, and a rule:

        >>> problem = handful.make("resource-gathering", height=2, width=2)
        >>> rule = lambda observation: int(observation[0] > 0)
        >>> found = handful.evaluate_references(problem, {"up": 0, "rule": rule}, num_episodes=4)
        >>> found.returns.shape
        (2, 4)
    """
    check_problem(problem, "evaluate_references")
    return measure(problem, named_actions(problem, references), seed, num_episodes, watch)


def measure(
    problem: RMDP,
    acting: Mapping[str, Act],
    seed: int,
    num_episodes: int,
    watch: Watch = unwatched,
) -> References:
    """Measure references whose way of acting is known, as :func:`evaluate_references` does.

    Args:
        problem: the problem that is played.
        acting: how each reference acts, by its name.
        seed: the seed of the episodes.
        num_episodes: how many episodes each reference plays; even and at least 4.
        watch: is called with the share of the episodes that has been played.

    Raises:
        HandfulError: if a reference fails, or the seed or the number of episodes cannot be used.
    """
    check_seed(seed)
    if num_episodes < 4 or num_episodes % 2:
        raise HandfulError(
            f"The number of evaluation episodes must be even and at least 4, not {num_episodes}."
        )
    key = jax.random.fold_in(jax.random.key(seed), EVALUATION_STREAM)
    key = jax.random.split(key)[0]  # the key of the episodes with likeliest actions
    player = _HostPlayer if problem.runs_on_host else _JaxPlayer
    play = player(problem, num_episodes)
    found = [
        play(key, name, act, part(watch, index, len(acting)))
        for index, (name, act) in enumerate(acting.items())
    ]
    returns, lengths = (np.stack(arrays, axis=1) for arrays in zip(*found, strict=True))
    population = problem.population
    is_linear = population.reward_fn is None
    return References(
        names=tuple(acting),
        lengths=lengths.mean(axis=0),
        num_episodes=num_episodes,
        seed=seed,
        transitions=int(lengths.sum()),
        played=FeatureReturns(returns, population) if is_linear else ReturnTable(returns),
    )


def named_actions(problem: RMDP, references: Any) -> dict[str, Act]:
    """Return how each reference acts, by its name; each of several policies has its number behind.

    Raises:
        HandfulError: if there is none, or one of them cannot act in the problem.
    """
    if not isinstance(references, Mapping) or not references:
        raise HandfulError(
            'The references must be given by name, such as {"no insulin": [0.0]}, and there must '
            "be at least one."
        )
    acting: dict[str, Act] = {}
    for name, reference in references.items():
        if isinstance(reference, str | Path) and is_bundle(reference):
            reference = load(reference)
        if isinstance(reference, str | Path):
            folder = RunFolder(reference)
            reference = load_policies(folder.policies)
        inner = getattr(reference, "policies", None)  # of a result, whose policies they are
        reference = inner if isinstance(inner, Policies) else reference
        if isinstance(reference, Policies):
            check_fit(problem, reference)
            for policy in range(reference.num_policies):
                acting[f"{name} {policy}"] = partial(reference.act, policy=policy)
        elif isinstance(reference, Bundle):
            for policy in range(reference.num_policies):
                own = f"{name} {policy}"
                acting[own] = partial(_bundle_actions, problem, own, reference, policy)
        else:
            acting[str(name)] = _acting(problem, str(name), reference)
    return acting


def _acting(problem: RMDP, name: str, reference: Any) -> Act:
    """Return how a reference of another kind acts, in the units of the problem's policies."""
    torch = sys.modules.get("torch")  # a module of PyTorch can only be given after its import
    read = partial(_policy_actions, problem, name)
    if isinstance(reference, Real) or _is_array(reference):
        constant = read(np.asarray(reference)[None])[0]
        return lambda observations: np.stack([constant] * len(observations))
    if torch is not None and isinstance(reference, torch.nn.Module):
        outputs = partial(_outputs_of_module, torch, reference, problem.environment.action_space)
        return lambda observations: read(outputs(observations))
    if callable(getattr(reference, "predict", None)):
        show = getattr(problem.environment, "original_observations", lambda rows: rows)
        return lambda observations: read(_predicted(reference, show(observations)))
    if callable(reference):
        return lambda observations: read([reference(row.copy()) for row in observations])
    raise HandfulError(
        f"The reference '{name}' is a {type(reference).__name__}: give a constant action, a "
        f"function of an observation, an object with a method 'predict', a PyTorch module, "
        f"handful's Policies, a bundle, or the path of a run folder or of a bundle."
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and np.asarray(value).dtype.kind in "biuf"


def _outputs_of_module(torch: Any, module: Any, space: Any, observations: NumpyArray) -> NumpyArray:
    with torch.no_grad():
        outputs = module(torch.as_tensor(observations, dtype=torch.float32))
    outputs = np.asarray(outputs.detach().cpu().numpy())
    has_scores = isinstance(space, Discrete) and outputs.shape[1:] == (space.num_actions,)
    return np.argmax(outputs, axis=1) if has_scores else outputs


def _bundle_actions(
    problem: RMDP, name: str, bundle: Bundle, policy: int, observations: NumpyArray
) -> NumpyArray:
    """Return the likeliest actions of a bundle's policy, in the units of the problem's policies."""
    return _policy_actions(problem, name, bundle.act(observations, policy=policy, flattened=True))


def _predicted(agent: Any, observations: Any) -> Any:
    """Return the actions of an agent that may want to be asked for its likeliest ones."""
    try:
        found = agent.predict(observations, deterministic=True)
    except TypeError:
        found = agent.predict(observations)
    return found[0] if isinstance(found, tuple) else found


def _policy_actions(problem: RMDP, name: str, given: Any) -> NumpyArray:
    """Return actions in the units of policies, for actions [B, ...] in the environment's.

    Raises:
        HandfulError: if they do not fit the action space.
    """
    space, encode = problem.environment.action_space, getattr(problem.environment, "encode", None)
    try:
        rows = [np.asarray(row) for row in given]
        actions = np.stack([row if encode is None else encode(row) for row in rows])
        if isinstance(space, Box):
            actions = actions.astype(np.float32).reshape(len(rows), space.size)
            return np.clip(actions, np.array(space.low), np.array(space.high))
        whole = actions.reshape(len(rows)).astype(np.int64)
        if (whole != actions.reshape(len(rows))).any() or not _are_actions(whole, space):
            raise ValueError("they are not among the actions")
    except (TypeError, ValueError) as error:
        wanted = (
            f"{count(space.size, 'number')}"
            if isinstance(space, Box)
            else f"one of {count(space.num_actions, 'discrete action')}"
        )
        raise HandfulError(
            f"The reference '{name}' gives actions that do not fit ({error}): an action is "
            f"{wanted}."
        ) from None
    return whole


def _are_actions(actions: NumpyArray, space: Discrete) -> bool:
    return bool(((actions >= 0) & (actions < space.num_actions)).all())


def _told(name: str, act: Act, observations: NumpyArray) -> NumpyArray:
    """Ask a reference for actions, and tell an error of its code in one sentence."""
    try:
        return act(observations)
    except HandfulError:
        raise
    except BaseException as error:
        raise failure(f"The reference '{name}' failed", error) from None


class _AsHostPolicies:
    """One reference in the place of policies on the host: its actions are their likeliest ones."""

    is_squashed = False

    def __init__(self, problem: RMDP, name: str, act: Act) -> None:
        self._name, self._act, self._space = name, act, problem.environment.action_space
        self.log_std: NumpyArray | None = None
        if isinstance(self._space, Box):
            self.log_std = np.zeros((1, self._space.size), np.float32)

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        actions = _told(self._name, self._act, observations[0])
        if isinstance(self._space, Discrete):
            actions = np.eye(self._space.num_actions, dtype=np.float32)[actions]
        return actions[None]


class _HostPlayer:
    """Plays episodes of one reference at a time in an environment on the host."""

    def __init__(self, problem: RMDP, num_episodes: int) -> None:
        self._problem, self._num_episodes = problem, num_episodes
        self._pay = problem.population.reward_fn or problem.population.features

    def __call__(
        self, key: PRNGKey, name: str, act: Act, watch: Watch
    ) -> tuple[NumpyArray, NumpyArray]:
        """Return the returns [E, D], or of all users [E, N], and the lengths [E]."""
        policies = _AsHostPolicies(self._problem, name, act)
        episodes = run_host_episodes(
            key, self._problem, policies, 1, self._num_episodes, True, pay=self._pay, watch=watch
        )
        returns = np.asarray(episodes.returns, np.float64)[:, 0]
        return returns, np.asarray(episodes.lengths)[:, 0]


class _JaxPlayer:
    """Plays episodes of one reference at a time in an environment that is written in JAX.

    The chance is that of :func:`~handful.collect.jax_rollout.run_episodes` with one policy. The
    loop over the steps is here on the host, as the reference's code may use JAX itself, which
    could wait for ever in a call from within a compiled program.
    """

    def __init__(self, problem: RMDP, num_episodes: int) -> None:
        self._problem, self._num_episodes = problem, num_episodes
        pay = problem.population.reward_fn or problem.population.features
        environment = problem.jax_environment

        @jax.jit
        def start(key: PRNGKey) -> tuple[PyTree, Float[Array, "E O"], Key[Array, " T"]]:
            first = init_collector(jax.random.split(key, 1), problem, num_episodes)
            keys = jax.random.split(first.keys[0], environment.time_limit)
            return jax.tree.map(lambda leaf: leaf[0], first.env_state), first.observations[0], keys

        @jax.jit
        def step(
            key: PRNGKey,
            state: PyTree,
            seen: Float[Array, "E O"],
            running: Bool[Array, " E"],
            actions: Array,
        ) -> tuple[PyTree, Float[Array, "E O"], Bool[Array, " E"], Float[Array, "E D"]]:
            keys = jax.random.split(key, num_episodes + 1)[1:]
            next_state, taken = jax.vmap(environment.step)(keys, state, actions)
            paid = jnp.where(running[:, None], jax.vmap(pay)(taken.outcome), 0.0)
            state, seen = select(running, (next_state, taken.observation), (state, seen))
            return state, seen, running & ~(taken.terminated | taken.truncated), paid

        self._start, self._step = start, step

    def __call__(
        self, key: PRNGKey, name: str, act: Act, watch: Watch
    ) -> tuple[NumpyArray, NumpyArray]:
        """Return the returns [E, D], or of all users [E, N], and the lengths [E]."""
        state, seen, keys = self._start(key)
        running = jnp.ones(self._num_episodes, bool)
        returns, lengths = 0.0, np.zeros(self._num_episodes, int)
        for step in range(len(keys)):
            lengths += np.asarray(running)
            actions = jnp.asarray(_told(name, act, np.asarray(seen)))
            state, seen, running, paid = self._step(keys[step], state, seen, running, actions)
            returns = returns + np.asarray(paid, np.float64)
            watch((step + 1) / len(keys))
            if not np.asarray(running).any():
                break
        return np.asarray(returns), lengths


def _means(played: Played) -> NumpyArray:
    """Return the mean return of each user from each reference, [M, N]."""
    return np.concatenate([returns.mean(axis=0) for _, returns in played.chunks()], axis=1)
