"""Problems given as arrays: how a table of probabilities and rewards becomes an r-MDP."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.checks import did_you_mean, number_array
from handful.domains.tabular.environment import (
    NEGLIGIBLE,
    TableFeatures,
    TabularEnvironment,
)
from handful.domains.tabular.optimum import reachable, solve
from handful.errors import HandfulError
from handful.population import Population
from handful.problem import RMDP
from handful.types import NumpyArray, Preset
from handful.users import read_arrays

_SUM_TOLERANCE = 1e-6  # of a row of probabilities, as files may hold single precision


def checked_transitions(values: Any) -> NumpyArray:
    """Return a copy in double precision, whose rows sum to 1 or 0, up to rounding."""
    table = checked_numbers("transitions", values)
    if table.ndim != 3 or table.shape[0] != table.shape[2] or 0 in table.shape:
        raise HandfulError(
            f"The transitions must have shape [states, actions, states], not {list(table.shape)}."
        )
    sums = table.sum(axis=2)
    is_wrong = (np.abs(sums - 1.0) > _SUM_TOLERANCE) & (sums != 0.0) | (table < 0).any(axis=2)
    if is_wrong.any():
        state, action = np.argwhere(is_wrong)[0]
        raise HandfulError(
            f"The transitions of action {action} in state {state} (counted from 0) sum to "
            f"{sums[state, action]:g} with a least entry of {table[state, action].min():g}: they "
            f"must be probabilities that sum to 1, or all 0 where the episode ends."
        )
    return table / np.where(sums == 0.0, 1.0, sums)[:, :, None]


def checked_start(values: Any, num_states: int) -> NumpyArray:
    """Return the distribution [S] that is given as such or as the number of a state."""
    if np.ndim(values) == 0:
        what = f"The first state must be a number from 0 to {num_states - 1}"
        state = checked_number(what, values, lambda number: number in range(num_states))
        return np.eye(num_states)[int(state)]
    start = checked_numbers("start", values)
    if start.shape != (num_states,) or start.min() < 0 or abs(start.sum() - 1.0) > _SUM_TOLERANCE:
        raise HandfulError(
            f"The start must be a state, or {num_states} probabilities that sum to 1, and not an "
            f"array of shape {list(start.shape)} that sums to {start.sum():g}."
        )
    return start / start.sum()


def checked_number(what: str, value: Any, fits: Callable[[float], bool]) -> float:
    """Return a single finite number, given as such or as an array without axes; not a bool.

    Args:
        what: it must be, as the beginning of a sentence.
        fits: whether it is that.
    """
    if np.ndim(value):
        raise HandfulError(f"{what}, not an array of shape {list(np.shape(value))}.")
    number = np.asarray(value).item()
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(number) or not fits(number):
        raise HandfulError(f"{what}, not {value}.")
    return float(number)


def checked_numbers(name: str, values: Any) -> NumpyArray:
    """Return a copy in double precision, in which all numbers are finite."""
    try:
        table = np.array(number_array(values), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise HandfulError(f"The {name} must be an array of numbers.") from None
    if not np.isfinite(table).all():
        place = np.argwhere(~np.isfinite(table))[0].tolist()
        raise HandfulError(
            f"The {name} have an entry that is no finite number, at {place} (counted from 0)."
        )
    return table


_LONGEST = 10_000  # steps of an episode for which a time limit is looked for


def tabular_problem(
    transitions: Any,
    rewards: Any = None,
    *,
    features: Any = None,
    coefficients: Any = None,
    arrival_features: Any = None,
    start: Any = 0,
    time_limit: int | None = None,
    stop_probability: float = 0.0,
    observe_time: bool | None = None,
    discount: float = 1.0,
    user_ids: Any = (),
    attributes: Mapping[str, Any] | None = None,
) -> RMDP:
    """Make a problem from arrays, which can be trained like any other and solved exactly.

    Give either every user's rewards, or features and each user's weights on them.

    Welfare is the undiscounted return of whole episodes. If a discounted return is to count, a
    ``stop_probability`` of 1 minus the discount means the same: a reward that comes ``t`` steps
    later is earned with probability ``discount ** t``.

    Args:
        transitions: the probability of the next state, [S, A, S]. A row of zeros ends the episode.
        rewards: the reward of each user for an action in a state, [N, S, A].
        features: the reward features of an action in a state, [S, A, D].
        coefficients: the weight of each user on each feature, [N, D].
        arrival_features: the features that are paid on arrival in a state, besides ``features``,
            [S, D].
        start: the first state, or the distribution of it, [S].
        time_limit: the number of steps after which an episode is cut. It may be left out if all
            policies end all episodes.
        stop_probability: the probability that the episode ends after any step.
        observe_time: whether policies see how much of the time limit has passed; by default they do
            if the limit cuts episodes, since the best actions then depend on it.
        discount: the discount of the learner; choose it below 1 for long episodes.
        user_ids: the users' distinct names [N], as :class:`handful.Population` takes them.
        attributes: other facts about the users by name, [N] values each.

    Returns:
        the problem, with a solver for :func:`handful.optimum`.

    Raises:
        HandfulError: saying which array does not fit, and where.

    Examples:
        At a fork, the action decides in which of two rooms the episode ends, and each of two users
        wants another room:

        >>> import numpy as np
        >>> transitions = np.zeros((3, 2, 3))
        >>> transitions[0, 0, 1] = transitions[0, 1, 2] = 1.0
        >>> rewards = np.zeros((2, 3, 2))
        >>> rewards[0, 1] = rewards[1, 2] = 1.0
        >>> fork = handful.tabular_problem(transitions, rewards)
        >>> fork.num_users
        2
        >>> handful.optimum(fork, num_policies=1).welfare
        0.5
    """
    table = checked_transitions(transitions)
    paid, weights = _payment(table, rewards, features, coefficients, arrival_features)
    ends = _is_terminal(table, paid)
    table = np.where(ends[:, None, None], 0.0, table)
    environment = _environment(
        table, checked_start(start, len(table)), ends, time_limit, stop_probability, observe_time
    )
    return RMDP(
        environment=environment,
        population=Population(weights, paid, user_ids, attributes=attributes or {}),
        discount=checked_number(
            "The discount must be above 0 and at most 1", discount, lambda share: 0.0 < share <= 1.0
        ),
        return_scale=_return_scale(environment, paid, weights),
        learner_settings=partial(_learner_settings, environment.observe_time),
        solver=solve,
        reachable=reachable,
    )


def make_tabular(file: str) -> RMDP:
    """Make the problem that an ``.npz`` file holds.

    Args:
        file: its path; its arrays have the names of :func:`tabular_problem`'s arguments.

    Raises:
        HandfulError: if the file cannot be read, or holds no problem.
    """
    arrays = read_arrays(Path(file), f"'{file}'")
    # `attributes` is a mapping, which an array cannot hold.
    known = [name for name in signature(tabular_problem).parameters if name != "attributes"]
    unknown = next((name for name in arrays if name not in known), None)
    if unknown is not None:
        raise HandfulError(
            f"'{file}' has an array named '{unknown}'{did_you_mean(unknown, known)}: it may hold "
            f"{', '.join(known)}."
        )
    if "transitions" not in arrays:
        raise HandfulError(f"'{file}' has no array named 'transitions' [S, A, S].")
    given: dict[str, Any] = {
        name: values.item() if values.ndim == 0 else values for name, values in arrays.items()
    }
    if "user_ids" in given:
        given["user_ids"] = tuple(np.atleast_1d(given["user_ids"]))
    problem = tabular_problem(**given)
    return replace(problem, name="tabular", parameters={"file": Path(file).resolve()})


def _payment(
    table: NumpyArray, rewards: Any, features: Any, coefficients: Any, arrival_features: Any
) -> tuple[TableFeatures, NumpyArray]:
    """Return the features of every action and arrival, and their worth to each user [N, D]."""
    num_states, num_actions = table.shape[:2]
    if (rewards is None) == (features is None) or (features is None) != (coefficients is None):
        raise HandfulError(
            "Give either rewards [users, states, actions], or features [states, actions, features] "
            "with coefficients [users, features]."
        )
    if rewards is not None:
        paid = checked_numbers("rewards", rewards)
        if paid.ndim != 3 or paid.shape[1:] != (num_states, num_actions) or not len(paid):
            raise HandfulError(
                f"The rewards must have shape [users, {num_states}, {num_actions}], not "
                f"{list(paid.shape)}."
            )
        paid, weights = np.moveaxis(paid, 0, 2), np.eye(len(paid))
    else:
        paid, weights = (
            checked_numbers("features", features),
            checked_numbers("coefficients", coefficients),
        )
        if paid.ndim != 3 or paid.shape[:2] != (num_states, num_actions):
            raise HandfulError(
                f"The features must have shape [{num_states}, {num_actions}, features], not "
                f"{list(paid.shape)}."
            )
        if weights.ndim != 2 or weights.shape[1] != paid.shape[2]:
            raise HandfulError(
                f"The coefficients must have shape [users, {paid.shape[2]}], not "
                f"{list(weights.shape)}."
            )
    shape = (num_states, paid.shape[2])
    arrived = np.zeros(shape) if arrival_features is None else arrival_features
    arrived = checked_numbers("arrival_features", arrived)
    if arrived.shape != shape:
        raise HandfulError(
            f"The arrival_features must have shape {list(shape)}, not {list(arrived.shape)}."
        )
    return TableFeatures(paid, arrived), weights


def _is_terminal(table: NumpyArray, paid: TableFeatures) -> NumpyArray:
    """Return the states [S] in which nothing happens or is earned any more: arriving is the end."""
    states = np.arange(len(table))
    stays: NumpyArray = np.equal(table[states, :, states], 1.0)  # [S, A]
    leads_nowhere: NumpyArray = np.equal(table.sum(axis=2), 0.0)
    earns = paid.of_action.any(axis=2) | (stays & paid.of_arrival.any(axis=1, keepdims=True))
    return np.all((stays | leads_nowhere) & ~earns, axis=1)


def _environment(
    table: NumpyArray,
    start: NumpyArray,
    ends: NumpyArray,
    time_limit: int | None,
    stop_probability: float,
    observe_time: bool | None,
) -> TabularEnvironment:
    """Return the environment with the given time limit, or the least one that cuts no episode."""
    what = "stop_probability must be at least 0 and below 1"
    stop_probability = checked_number(what, stop_probability, lambda chance: 0.0 <= chance < 1.0)
    build = partial(TabularEnvironment, table, start, ends)
    if time_limit is None:
        chances = islice(build(1, stop_probability).chances_to_go_on(), _LONGEST)
        steps = (step for step, chance in enumerate(chances, 1) if chance <= NEGLIGIBLE)
        time_limit = next(steps, None)
        if time_limit is None:
            raise HandfulError(
                f"Some policy may still be in its first episode after {_LONGEST:,} steps: give a "
                f"time_limit, or a stop_probability."
            )
    what = "time_limit must be a whole number of at least 1"
    steps = checked_number(what, time_limit, lambda steps: steps >= 1 and steps % 1 == 0)
    environment = build(int(steps), stop_probability)
    if observe_time is not None and np.ndim(observe_time):
        raise HandfulError("observe_time must be true or false, not an array.")
    if observe_time is None:
        observe_time = environment.cut_probability > NEGLIGIBLE
    return build(environment.time_limit, environment.stop_probability, bool(observe_time))


def _return_scale(
    environment: TabularEnvironment, paid: TableFeatures, weights: NumpyArray
) -> float:
    """Return what a user's rewards add up to in an episode, signs aside, with actions at random."""
    moves = (1.0 - environment.stop_probability) * environment.transitions.mean(axis=1)
    earned = np.abs(paid.expected(environment.transitions)).mean(axis=1) @ np.abs(weights).mean(0)
    value = np.zeros(environment.num_states)
    for _ in range(environment.time_limit):
        value = earned + moves @ value
    scale = float(environment.start @ value)
    return scale if scale > 0 else 1.0


def _learner_settings(observe_time: bool, num_policies: int, preset: Preset) -> Mapping[str, Any]:
    """Give each policy a table of its own, an entry a state and action, without hidden layer.

    Observations hold a single 1, and there is nothing to normalise.
    """
    del num_policies, preset
    settings: dict[str, Any] = {"normalize_observations": False, "adam_epsilon": 1e-8}
    if not observe_time:  # with the time, what is best is no sum of a part for each entry
        settings |= {"hidden_sizes": (), "share_hidden": False}
    return settings
