"""Exploring a problem that shows few different observations, until a model of it is known.

The copies of the environment play in rounds. Before each round, policies are computed from the
counts so far: half of the copies follow such that look for what was tried least, and the others
such that are best for some users if what is little known turns out well. All begin each round with
new episodes. So a survey in JAX that was stopped goes on with the next round as if it had not been;
one on the host goes on with copies that have another seed, as the rest of a run on the host does.
"""

import copy
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.foreign import exits_told
from handful.collect.host_rollout import put
from handful.collect.jax_batch import open_batch
from handful.environment import Discrete, HostBatch, HostStep, num_symbols, outcome_shape
from handful.errors import HandfulError
from handful.exact.tally import MOST_CELLS, MOST_OBSERVATIONS, Tally
from handful.problem import RMDP
from handful.types import NumpyArray, PyTree, Watch, unwatched

LANES = (8, 128)
"""The fewest and the most copies of the environment that play at once."""

LEAST_ROUNDS = 8
"""The fewest rounds of a survey in which episodes are played to their end."""

MOST_ROUNDS = 32
"""The most rounds of a survey."""

MOST_TOGETHER = 3
"""The most users for whom a copy plays together."""

TRYING = 0.5
"""The probability with which an action that was never taken comes before the policy's."""

NOISE = 0.5
"""The largest change of an exploring policy's interest in an action, as a share of it."""

PROBES = (64, 512, 2048)
"""The transitions of the looks at a problem, from short to long. Episodes may begin with steps in
which little happens, so that only a long look tells."""

REPEATED = 0.5
"""The share of observations that must have been seen before, in the last half of a look."""


@dataclass
class Survey:
    """What is known after some rounds.

    Attributes:
        tally: the counts.
        rounds: the rounds so far.
    """

    tally: Tally
    rounds: int = 0


@dataclass(frozen=True)
class Plan:
    """How the transitions of a survey are divided.

    Attributes:
        lanes: the copies of the environment that play at once.
        length: the steps of each copy in a round.
        rounds: the number of rounds.
    """

    lanes: int
    length: int
    rounds: int

    @property
    def steps(self) -> int:
        """All transitions."""
        return self.lanes * self.length * self.rounds


def plan_survey(steps: int, horizon: int) -> Plan:
    """Divide the transitions of a survey.

    Args:
        steps: the most transitions.
        horizon: the largest number of steps of an episode.
    """
    fewest, most = LANES
    lanes = fewest
    while 2 * lanes <= min(most, steps // (LEAST_ROUNDS * horizon)):
        lanes *= 2
    each = max(steps // lanes, 1)
    rounds = int(np.clip(each // horizon, min(LEAST_ROUNDS, each), MOST_ROUNDS))
    return Plan(lanes, each // rounds, rounds)


def new_survey(problem: RMDP) -> Survey:
    """Return a survey before its first round."""
    space = problem.environment.action_space
    assert isinstance(space, Discrete)
    return Survey(Tally(space.num_actions, problem.num_features))


def explore(
    problem: RMDP,
    survey: Survey,
    plan: Plan,
    until: int,
    seed: int,
    coefficients: NumpyArray,
    keep: Callable[[Survey], None],
    watch: Watch = unwatched,
) -> None:
    """Play the rounds of a survey up to one of them, or to the last that could be counted.

    A round in which more observations were seen than can be counted is left out, and is the last.

    Args:
        problem: the problem.
        survey: what is known; it is changed.
        plan: how the transitions are divided.
        until: the number of rounds that have been played in the end.
        seed: the seed of everything random.
        coefficients: the coefficients of the users whom copies play for, [N, D].
        keep: is called after every round.
        watch: is called with the share of the rounds that is done.
    """
    with closing(Copies(problem, plan.lanes)) as copies:
        while survey.rounds < until:
            before = copy.deepcopy(survey.tally)
            rng = np.random.default_rng([seed, survey.rounds])
            tables = _tables(problem, survey.tally, plan.lanes, coefficients, rng)
            play_round(copies, survey.tally, tables, plan.length, rng)
            if survey.tally.is_full:
                survey.tally = before
                return
            survey.rounds += 1
            keep(survey)
            watch(survey.rounds / plan.rounds)


def _tables(
    problem: RMDP,
    tally: Tally,
    lanes: int,
    coefficients: NumpyArray,
    rng: np.random.Generator,
) -> NumpyArray:
    """Return the actions of each copy's policy at the observations known, int [M, S]."""
    if not len(tally):
        return np.zeros((lanes, 0), int)
    model = tally.model(problem.environment.time_limit)
    half = lanes // 2
    noise = 1.0 + NOISE * rng.uniform(-1.0, 1.0, (half, *model.visits.shape))
    groups = rng.integers(1, MOST_TOGETHER + 1, lanes - half)
    number = len(coefficients)
    mixes = [coefficients[rng.integers(number, size=size)].mean(axis=0) for size in groups]
    return np.concatenate(
        [model.exploring_policies(noise), model.optimistic_policies(np.array(mixes))]
    )


class Copies:
    """The copies of a problem's environment that play the rounds of a survey.

    In JAX they are made anew for each round, which so depends on its seed alone. On the host they
    are opened once, as each may be a process that takes a second to start.

    Args:
        problem: the problem.
        number: the number ``M`` of copies.
    """

    def __init__(self, problem: RMDP, number: int) -> None:
        self.problem, self._number = problem, number
        self._batch: HostBatch | None = None
        self._pay = jax.jit(jax.vmap(jax.vmap(problem.population.features)))

    @cached_property
    def outcome(self) -> PyTree:
        """The outcome of a step as ``jax.ShapeDtypeStruct`` leaves, found by tracing once."""
        return outcome_shape(self.problem.environment)

    def begin(self, seed: int) -> HostBatch:
        """Give the copies for a round; the first seed is that of all rounds on the host."""
        if self._batch is None or not self.problem.runs_on_host:
            with exits_told("The environment failed in open()"):
                self._batch = open_batch(self.problem, self._number, seed)
        return self._batch

    def features(self, outcomes: PyTree) -> NumpyArray:
        """Give the reward features of all steps of a round, [T * M, D].

        Args:
            outcomes: the outcomes of the steps, [T, M].

        Raises:
            HandfulError: if a feature is not finite.
        """
        features = np.asarray(self._pay(jax.tree.map(jnp.asarray, outcomes)), float)
        if not np.isfinite(features).all():
            raise HandfulError(
                "A reward feature of the environment's outcomes is not a finite number: look at "
                "the function that makes features, and at the outcomes of actions at random."
            )
        return features.reshape(-1, features.shape[-1])

    def close(self) -> None:
        """Close the copies."""
        if self._batch is not None:
            self._batch.close()


def play_round(
    copies: Copies, tally: Tally, tables: NumpyArray, length: int, rng: np.random.Generator
) -> None:
    """Play some steps in every copy, and count them.

    Args:
        copies: the copies.
        tally: the counts; they are changed.
        tables: the action of each copy at each observation known, int [M, S]. At others, and now
            and then where an action was never taken, the action is random.
        length: the steps of each copy.
        rng: the source of random actions and of the seed of the environment.
    """
    lanes, known = tables.shape
    environment, num_actions = copies.problem.environment, tally.visits.shape[1]
    record: list[tuple[NumpyArray, ...]] = []
    outcomes = jax.tree.map(
        lambda leaf: np.zeros((length, lanes, *leaf.shape), leaf.dtype), copies.outcome
    )
    batch = copies.begin(int(rng.integers(2**31)))
    ages = np.zeros(lanes, int)
    with exits_told("The environment failed in reset()"):
        numbers = tally.number(batch.reset(np.arange(lanes)))
    tally.begin(numbers)
    for step in range(length):
        actions = rng.integers(num_actions, size=lanes)
        is_known = numbers < known
        rows = np.flatnonzero(is_known)
        actions[rows] = tables[rows, numbers[rows]]
        least = tally.visits[numbers] + rng.uniform(0.0, 0.5, (lanes, num_actions))
        is_new = (least.min(axis=1) < 1.0) & (~is_known | (rng.uniform(size=lanes) < TRYING))
        actions = np.where(is_new, least.argmin(axis=1), actions)
        tally.visit(numbers, actions)
        with exits_told("The environment failed in step()"):
            taken = batch.step(actions)
        following = tally.number(_finite(taken))
        put(outcomes, step, taken.outcome)
        record.append((numbers, actions, following, taken.terminated))
        ages += 1
        ended = taken.terminated | taken.truncated | (ages >= environment.time_limit)
        numbers = following
        if ended.any():
            ages[ended] = 0
            numbers = numbers.copy()
            with exits_told("The environment failed in reset()"):
                numbers[ended] = tally.number(batch.reset(np.flatnonzero(ended)))
            tally.begin(numbers[ended])
    seen = (np.concatenate(parts) for parts in zip(*record, strict=True))
    tally.add(*seen, features=copies.features(outcomes))


def _finite(taken: HostStep) -> NumpyArray:
    """Return the observations of a step.

    Raises:
        HandfulError: if one is not finite.
    """
    if not np.isfinite(taken.observation).all():
        raise HandfulError(
            "The environment returned an observation that is not a finite number: look at its "
            "dynamics for actions at random."
        )
    return taken.observation


_LOOKS: dict[tuple[str, str], bool] = {}
"""What was seen of problems that a name and parameters stand for: a study makes each many times."""


def seen_once(problem: RMDP, look: Callable[[RMDP], bool]) -> bool:
    """Return what a look at a problem shows, for which a process looks once.

    Args:
        problem: the problem.
        look: a function of a module, which looks at the problem.
    """
    if problem.name == "custom":
        return _seen(problem, look)
    known = look.__qualname__, f"{problem.name} {sorted(problem.parameters.items())}"
    if known not in _LOOKS:
        _LOOKS[known] = look(problem)
    return _LOOKS[known]


@lru_cache(maxsize=8)
def _seen(problem: RMDP, look: Callable[[RMDP], bool]) -> bool:
    return look(problem)


def shows_few_observations(problem: RMDP) -> bool:
    """Return whether a problem seems to show few different observations.

    A problem that numbers its observations says how many there are. Otherwise random actions are
    taken in a few copies of the environment: at first few, as a simulator may be slow. A problem
    that can be made again by its name and parameters is looked at once in a process.

    Args:
        problem: the problem. With continuous actions it never does.
    """
    environment = problem.environment
    if not isinstance(environment.action_space, Discrete):
        return False
    cells = environment.action_space.num_actions * problem.num_features
    number = num_symbols(environment)
    if number is not None:
        return number <= min(MOST_OBSERVATIONS, MOST_CELLS // cells)
    return seen_once(problem, _meets_old_observations)


def _meets_old_observations(problem: RMDP) -> bool:
    """Return whether random actions come to observations again that were seen before."""
    for steps in PROBES:
        tally, rng = new_survey(problem).tally, np.random.default_rng(0)
        lanes = 4 if steps == PROBES[0] else 16
        half = steps // (2 * lanes)
        nobody = np.zeros((lanes, 0), int)  # no copy has a policy: all actions are random
        with closing(Copies(problem, lanes)) as copies:
            play_round(copies, tally, nobody, half, rng)
            before = len(tally)
            play_round(copies, tally, nobody, half, rng)
        if tally.is_full or len(tally) - before > (1.0 - REPEATED) * lanes * half:
            return False
    return True
