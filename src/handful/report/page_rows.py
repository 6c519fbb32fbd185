"""What a report says in words and tables, worked out from a run."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from handful._support.palette import policy_colour
from handful.report.pictures import TaskPictures
from handful.report.run import Results, Run
from handful.report.wording import count, number

MAX_USERS_LISTED = 1000
"""Rows of the table of users; a larger population's worst served are listed."""

NUM_WORST = 5

_ALTERNATIVES = {
    "as_trained": "as the method left it",
    "by_validation": "as validation would assign",
    "one_policy": "one policy for everybody",
    "reassigned": "everybody's best policy",
}
"""Other assignments of the same policies, by their names in ``evaluation.json``."""

NEVER_MOVED = "never-moved"
"""The kind of the finding that a method whose rule is to move users moved nobody."""


class FindingRow(NamedTuple):
    """A finding about a run, and what to do about it."""

    kind: str
    message: str
    advice: str


class AlternativeRow(NamedTuple):
    """Another assignment of the same policies, on the same episodes."""

    assignment: str
    welfare: str
    gain: str
    users: str


class Headline(NamedTuple):
    """The welfare and the best possible, as the page shows them first.

    ``function`` is the name of the welfare function, and ``mean`` the mean over users; both are
    None if the welfare is that mean.
    """

    welfare: str
    stderr: str
    function: str | None
    mean: str | None
    mean_stderr: str | None
    optimum: str | None
    optimum_name: str
    percent: str | None


class MeasurementRow(NamedTuple):
    """A row of the table of welfare: one way to select actions."""

    actions: str
    welfare: str
    soft: str
    reassigned: str
    worst_user: str
    worst_episode: str


class PolicyRow(NamedTuple):
    """A policy's row; ``more`` has the cells of the columns that the task adds."""

    policy: int
    colour: str
    users: int
    more: tuple[str, ...]
    length: str
    mean: str
    lowest: str


class UserRow(NamedTuple):
    """A user's row under their policy; ``more`` has the cells of the columns that the task adds."""

    name: str
    labels: tuple[str, ...]
    more: tuple[str, ...]
    policy: int
    colour: str
    utility: str
    worst_episode: str
    best: str


def method_words(run: Run) -> str | None:
    """Say what the method does, in one clause, and what of it did not happen in this run."""
    if run.num_policies == 1:
        return "with a single policy, which is trained for all users together"
    words = run.config.get("method_summary") or None
    if words and NEVER_MOVED in [finding.kind for finding in findings(run.results)]:
        return f"{words}; in this run training never moved anybody"
    return words


def findings(results: Results | None) -> list[FindingRow]:
    """List the findings that stand at the top of a run's page."""
    if results is None:
        return []
    found = results.record.get("findings", [])
    return [FindingRow(one["kind"], one["message"], one["advice"]) for one in found]


def alternative_rows(results: Results) -> list[AlternativeRow]:
    """Make the table that compares other assignments with the final one."""
    found = results.record.get("alternatives", {})
    return [
        AlternativeRow(
            _ALTERNATIVES[name],
            number(one["welfare"]),
            f"{number(one['gain'])} ± {number(one['gain_stderr'])}",
            f"{one['users_moved']:,}",
        )
        for name, one in found.items()
        if name in _ALTERNATIVES
    ]


def headline(results: Results) -> Headline:
    """Return the welfare, and how it compares with the best possible."""
    record = results.record
    optimum, percent = record["optimum"], record["percent_of_optimum"]
    function = record.get("welfare_function", "utilitarian")
    is_mean = function == "utilitarian"
    return Headline(
        number(record["welfare"]),
        number(record["welfare_stderr"]),
        None if is_mean else function,
        None if is_mean else number(record["mean_utility"]),
        None if is_mean else number(record["mean_utility_stderr"]),
        None if optimum is None else number(optimum),
        "upper bound" if record["optimum_kind"] == "upper bound" else "optimum",
        None if percent is None else f"{percent:.1f}",
    )


def measurements(results: Results) -> list[MeasurementRow]:
    """Make the table of welfare: deterministic and stochastic, under each way to assign."""
    named = (("likeliest", "deterministic"), ("sampled", "stochastic"))
    return [_measurement(name, results.record[kind]) for name, kind in named]


def says_more(results: Results, alternative: str) -> bool:
    """Say whether ``soft`` or ``reassigned`` welfare differs from welfare in any measurement."""
    return any(
        not np.isclose(
            results.record[kind][f"{alternative}_welfare"], results.record[kind]["welfare"]
        )
        for kind in ("deterministic", "stochastic")
    )


def _measurement(name: str, measured: Mapping[str, Any]) -> MeasurementRow:
    def with_error(key: str) -> str:
        return f"{number(measured[key])} ± {number(measured[f'{key}_stderr'])}"

    return MeasurementRow(
        name,
        with_error("welfare"),
        number(measured["soft_welfare"]),
        with_error("reassigned_welfare"),
        number(measured["worst_user_return"]),
        number(measured["worst_episode"]),
    )


def policy_rows(results: Results, of_task: TaskPictures) -> list[PolicyRow]:
    """Make the table of policies."""
    rows = []
    for policy, users in enumerate(results.users_per_policy):
        utilities = results.utilities[results.assignment == policy]
        rows.append(
            PolicyRow(
                policy,
                policy_colour(policy),
                int(users),
                tuple(cell(policy) for cell in of_task.policy_columns.values()),
                number(results.lengths[policy]),
                number(utilities.mean()) if users else "–",
                number(utilities.min()) if users else "–",
            )
        )
    return rows


def user_rows(run: Run, results: Results, of_task: TaskPictures, limit: int) -> list[UserRow]:
    """Make the table of the ``limit`` worst served users that are shown, lowest return first."""
    order = np.argsort(results.utilities, kind="stable")[:limit]
    order = order[np.isin(order, results.shown)]
    return [_user(run, results, of_task, int(user)) for user in order]


def _user(run: Run, results: Results, of_task: TaskPictures, user: int) -> UserRow:
    policy = int(results.assignment[user])
    returns = results.returns_of(user)
    best = int(np.argmax(returns))
    gains = returns[best] > (returns[policy] if policy >= 0 else results.utilities[user])
    return UserRow(
        run.users[user],
        tuple(values[user] for values in run.labels.values()),
        tuple(cell(user) for cell in of_task.user_columns.values()),
        policy,
        policy_colour(policy),
        number(results.utilities[user]),
        number(results.worst_episodes[user]),
        f"policy {best}: {number(returns[best])}" if gains else "–",
    )


def settings_rows(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """List every stored setting, in groups."""
    settings, problem = run.settings, run.problem
    apart = {
        name: settings[name]
        for name in settings
        if name not in ("learner", "collect", "method_settings")
    }
    described = {
        "name": problem["name"],
        "users": len(run.users),
        "reward features": problem["num_features"],
        "discount": problem["discount"],
        **problem["environment"],
    }
    groups = {
        "Problem": described,
        "Training": apart,
        "Method": settings["method_settings"],
        "Learner": settings["learner"],
        "Collecting": settings["collect"],
        "Versions": run.config["versions"],
        "Machine": run.config["machine"],
    }
    return [
        (title, [(name.replace("_", " "), _value(value)) for name, value in group.items()])
        for title, group in groups.items()
        if group
    ]


def progress(run: Run) -> str:
    """Say how far an unfinished run has come."""
    continued = run.settings.get("continued") or [run.settings]
    asked = count(continued[-1]["steps"], "transition")
    if run.curves is None:
        return f"No update of the {asked} per policy has been made yet."
    return f"{run.curves.transitions[-1]:,.0f} of {asked} per policy are done."


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
