"""Frontiers made by hand."""

import json
from itertools import pairwise
from pathlib import Path

from handful._support.storage import digest_of_json
from handful.frontier.folder import FrontierFolder
from handful.frontier.points import Estimate, Frontier, Level, Point, Step
from tests.report.folders import write_run


def about(value, reach=0.5):
    return Estimate(value, reach / 2, value - reach, value + reach)


def a_frontier(welfare=None, optimum=None, one=10.0, ceiling=50.0, spare=()):
    """Budgets with their welfare; ``spare`` are budgets whose last policy serves nobody."""
    welfare = welfare or {1: 10.0, 2: 30.0, 5: 45.0, 10: 45.2}
    points = tuple(
        Point(
            k,
            about(value),
            (1,) * (k - (k in spare)) + (0,) * (k in spare),
            transitions=1000 * k,
            optimum=(optimum or {}).get(k),
            optimum_kind="exact" if k in (optimum or {}) else None,
        )
        for k, value in welfare.items()
    )
    steps = tuple(
        Step(
            a.num_policies,
            b.num_policies,
            about(b.welfare.value - a.welfare.value),
            about((b.welfare.value - a.welfare.value) / (b.num_policies - a.num_policies), 0.3),
        )
        for a, b in pairwise(points)
    )
    levels = (Level(about(one), 18), Level(about(ceiling), 300, 60.0, "upper bound"))
    return Frontier(points, steps, *levels, 100, 7, "utilitarian")


def write_frontier(path: Path, frontier=None, name="glide", users=12, **of_run) -> FrontierFolder:
    """A folder of a frontier, with run folders made by hand."""
    frontier = frontier or a_frontier()
    folder = FrontierFolder(path)
    for k in frontier.budgets:
        names = [f"user-{i}" for i in range(users)]
        write_run(folder.run(k), users=names, num_policies=k, evaluation_seed=7, **of_run)
    record = {
        "problem": name,
        "method": "em",
        "num_users": users,
        "transitions": 123_456,
        "frontier": frontier.to_dict(),
    }
    folder.write(record, ["policies"], [[k] for k in frontier.budgets])
    return folder


def change(path: Path, edit) -> None:
    """Edit a frontier's record, and bind it to itself again."""
    record = json.loads((path / "frontier.json").read_text())
    edit(record)
    rest = {name: value for name, value in record.items() if name != "digest"}
    (path / "frontier.json").write_text(json.dumps({**rest, "digest": digest_of_json(rest)}))
