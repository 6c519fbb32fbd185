"""ICU-Sepsis: treating sepsis in intensive care, for users who weigh its burden differently.

The MDP is that of the package ``icu-sepsis`` (Choudhary, Gupta & Thomas, "ICU-Sepsis: A Benchmark
MDP Built from Real Medical Data", RLC 2024), estimated from the MIMIC-III records of intensive care
as Komorowski et al. (Nature Medicine, 2018) had prepared them. A state is a kind of patient at a
moment, one of 713; two more are death and survival, and one follows these. An action, every four
hours, is one of five levels of intravenous fluid and one of five levels of vasopressor; level 0 is
none and the others are quarters of the doses that were given. Episodes end in death or survival.

Of the package's files only the arrays are read; none of its code is run.

In most states few of the 25 actions were seen often enough to know what follows. The others are
inadmissible, and two of the package's rules for them are here. ``mean`` (the package's default):
the next state is drawn as if an admissible action had been taken at random; so the doses are the
mean of theirs too, or else a dose that nobody gave would come without its burden. ``terminate``:
the patient dies. To users who would rather spare a dying patient the treatment that is a way out,
and so welfare can be higher under that rule. A third, ``nearest``, is ours: the admissible dose is
given that is fewest levels away, the lower of two. It has the same best policies as ``mean`` and is
learnt several times faster, as no action is a lottery.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.installing import install_command
from handful.domains.tabular.problem import tabular_problem
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.types import NumpyArray, Preset
from handful.users import Column, read_users
from handful.users.draws import check_draw

FEATURES = ("survival", "fluid", "vasopressor")
"""100 for a patient who survives; days at the highest level of each treatment."""

DEATH, SURVIVAL = 713, 714
TIME_LIMIT = 500  # steps, as the package registers it; fewer than one episode in 1e9 lasts so long
LEVELS = 5
STEP_DAYS = 4 / 24

SettingsFn = Callable[[int, Preset], Mapping[str, Any]]

RULES = ("mean", "terminate", "nearest")


@dataclass(frozen=True)
class Group:
    """A group of users who weigh treatment alike.

    Attributes:
        name: the name of the group.
        share: the group's share of the population.
        fluid, vasopressor: median over the group of the chance of survival, in percentage points,
            that a user would give for a day less at the highest level.
    """

    name: str
    share: float
    fluid: float
    vasopressor: float


GROUPS = (
    # Units judged by survival alone; burdens decide between equals.
    Group("survival", 0.40, 1.0, 2.0),
    # Guidelines that hold fluid back: overload harms lungs and kidneys.
    Group("fluid-sparing", 0.25, 30.0, 10.0),
    # Wards without central lines, patients at risk of ischaemia.
    Group("vasopressor-sparing", 0.20, 3.0, 150.0),
    # Patients who want no more treatment than they must have.
    Group("comfort", 0.15, 80.0, 300.0),
)

PRICES = tuple(
    Column(f"{treatment}_price", "percentage points of survival a day", low=0.0)
    for treatment in FEATURES[1:]
)
"""The columns of a table of users."""

SPREAD = 0.5
"""The standard deviation of the logarithm of a user's prices around their group's."""


def make_icu_sepsis(**parameters: Any) -> RMDP:
    """Make the task; the parameters are those of :func:`icu_sepsis_task`."""
    return replace(icu_sepsis_task(**parameters), parameters=parameters)


def icu_sepsis_task(
    users: int = 100,
    population_seed: int = 0,
    population: Any = None,
    inadmissible: str = "mean",
) -> RMDP:
    """Make the problem of the MDP and its users.

    Args:
        users: how many to draw.
        population_seed: the seed of the draw of the users.
        population: a table instead, with columns ``fluid_price`` and ``vasopressor_price``: how
            many percentage points of survival a day less at the highest level is worth.
        inadmissible: what follows an action that the data hold too little of: ``mean``,
            ``terminate`` or ``nearest``.

    Raises:
        HandfulError: if the package is not installed, or a parameter is out of its range.
    """
    if inadmissible not in RULES:
        raise HandfulError(f"inadmissible must be one of {', '.join(RULES)}, not '{inadmissible}'.")
    arrays = load_arrays()
    if population is None:
        prices, user_ids, labels = sample_users(users, population_seed)
    else:
        table = read_users(population, PRICES)
        prices = np.column_stack([table.numbers[column.name] for column in PRICES])
        user_ids, labels = table.user_ids, table.labels
    transitions, doses = under_rule(arrays, inadmissible)
    arrival = np.zeros((len(transitions), len(FEATURES)))
    arrival[SURVIVAL, 0] = 100.0
    problem = tabular_problem(
        transitions,
        features=np.concatenate([np.zeros((*doses.shape[:2], 1)), doses], axis=2),
        coefficients=np.column_stack([np.ones(len(prices)), -prices]),
        arrival_features=arrival,
        start=arrays["d_0"],
        time_limit=TIME_LIMIT,
        user_ids=user_ids,
        attributes={
            **labels,
            **{column.name: prices[:, i] for i, column in enumerate(PRICES)},
        },
    )
    suited = problem.learner_settings
    return replace(
        problem,
        name="icu-sepsis",
        learner_settings=partial(_learner_settings, suited),
        method_settings=_method_settings,
    )


def sample_users(
    num_users: int, seed: int
) -> tuple[NumpyArray, tuple[str, ...], dict[str, NumpyArray]]:
    """Draw users: their prices of treatment [N, 2], their names, and each one's group as a label.

    A point of survival is worth a point to everybody.

    Raises:
        HandfulError: if there are no users, or the seed is negative.
    """
    check_draw(num_users, seed)
    ends = np.cumsum([group.share for group in GROUPS])
    groups = np.searchsorted(ends, (np.arange(num_users) + 0.5) / num_users)
    medians = np.array([(group.fluid, group.vasopressor) for group in GROUPS])[groups]
    noise = np.random.default_rng(seed).standard_normal((num_users, 2))
    names = np.array([group.name for group in GROUPS])[groups]
    counts = np.arange(num_users) - np.searchsorted(groups, groups)
    user_ids = tuple(f"{name}-{count}" for name, count in zip(names, counts, strict=True))
    return medians * np.exp(SPREAD * noise), user_ids, {"group": names}


@lru_cache(maxsize=1)
def load_arrays() -> Mapping[str, NumpyArray]:
    """Read the package's arrays, and add ``admissible``, bool [S, A].

    Raises:
        HandfulError: if the package is not installed, or holds something else.
    """
    package = find_spec("icu_sepsis")
    if package is None or not package.submodule_search_locations:
        raise HandfulError(
            "The task 'icu-sepsis' needs the package that it is named after: "
            f"{install_command('sepsis')}."
        )
    assets = Path(package.submodule_search_locations[0]) / "envs" / "assets"
    try:
        with np.load(assets / "dynamics.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("tx_mat", "d_0", "expert_policy")}
        lines = (assets / "admissible_actions.txt").read_text(encoding="utf-8").splitlines()
        admissible = np.zeros(arrays["tx_mat"].shape[:2], dtype=bool)
        # The first line says how many there are in each state; then a line a state.
        for state, line in enumerate(lines[1 : len(admissible) + 1]):
            admissible[state, [int(action) for action in line.split()]] = True
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise HandfulError(
            f"The files of the package icu-sepsis are not those of its version 2 ({error}): "
            f"install that."
        ) from None
    return {**arrays, "admissible": admissible}


def under_rule(
    arrays: Mapping[str, NumpyArray], inadmissible: str
) -> tuple[NumpyArray, NumpyArray]:
    """Return the next state's probabilities [S, A, S] and the doses in days [S, A, 2].

    The arrays hold the rule ``mean`` already. Nothing follows death and survival.
    """
    transitions, admissible = arrays["tx_mat"].copy(), arrays["admissible"]
    level = np.arange(LEVELS) / (LEVELS - 1) * STEP_DAYS
    nominal = np.column_stack([np.repeat(level, LEVELS), np.tile(level, LEVELS)])
    doses = np.broadcast_to(nominal, (*admissible.shape, 2)).copy()
    if inadmissible == "nearest":
        given = _nearest(admissible)
        states = np.arange(len(transitions))[:, None]
        transitions, doses = transitions[states, given], doses[states, given]
    elif inadmissible == "mean":
        means = admissible @ nominal / admissible.sum(axis=1, keepdims=True)
        doses = np.where(admissible[..., None], doses, means[:, None])
    else:
        transitions[~admissible] = np.eye(len(transitions))[DEATH]
    transitions[DEATH:], doses[DEATH:] = 0.0, 0.0
    return transitions, doses


def _nearest(admissible: NumpyArray) -> NumpyArray:
    """Return the admissible action for each action, int [S, A]: itself, if it is one."""
    actions = np.arange(LEVELS**2)
    levels = np.column_stack([actions // LEVELS, actions % LEVELS])
    apart = np.abs(levels[:, None] - levels[None]).sum(axis=2)  # of an action and what is given
    order = apart + levels.sum(axis=1) / 100  # the lower dose of two that are as near
    return np.where(admissible[:, None], order, np.inf).argmin(axis=2)


def _learner_settings(suited: SettingsFn, num_policies: int, preset: Preset) -> Mapping[str, Any]:
    """Take large batches and small steps: outcomes are noisy and actions differ little.

    With ``fast`` the learner counts: nearly all of the way where gradients come to half of it.

    With ``paper``, most entries of the tables are rarely visited. Adam would blow their few
    gradients up to full size and settle these states by chance; a large epsilon makes it plain
    gradient descent there.
    """
    if preset.is_fast:
        return {
            "learner": "counting",
            "num_envs": 2048,
            "batch_size": 131072,
            "planning_steps": 2,
            "temperature": 0.01,
            "final_temperature": 0.005,
        }
    return {
        **suited(num_policies, preset),
        "num_envs": 128,
        "batch_size": 16384,
        "minibatch_size": 2048,
        "num_epochs": 4,
        "learning_rate": 0.2,
        "final_learning_rate": 0.01,
        "adam_epsilon": 1e-3,
        "max_grad_norm": 10.0,
        "gae_lambda": 0.5,
        "entropy_coefficient": 0.01,
        "final_entropy_coefficient": 0.0,
    }


def _method_settings(method: str, preset: Preset) -> Mapping[str, Any]:
    """Return a shorter warm-up for the learner that counts, which soon knows a policy's worth."""
    if not preset.is_fast:
        return {}
    if method == "em":
        return {"warm_up": 3}
    if method == "pooled-em":
        return {"solo": True, "frontier": False, "rounds": 5, "warm_up": 0}
    return {}
