"""The command ``handful assign``."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from handful._support.controls import csv_line
from handful._support.files import write_csv
from handful._support.text import count
from handful.cli.compare import comparison_summary
from handful.cli.output import print_json, say, show
from handful.deploy.files import SUMS
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.population import Population
    from handful.training.records.stored_run import StoredRun


@dataclass
class Assign:
    """Give a table of users the best of a run's or a bundle's policies, without playing.

    With a run, the assignment is kept in its folder as a version of its own, with what it changed.
    With a bundle, which never changes, each user's policy is printed with its confidence and its
    margin, or written to a file.
    """

    source: tyro.conf.Positional[Path]
    """The folder of a finished run, or a bundle."""

    users: tyro.conf.Positional[Path]
    """All users from now on: a CSV or Parquet file, one row a user, with a column of weights for
    each reward feature, or else, with a run, the columns that the run's task knows."""

    least: float | None = None
    """The return of an episode below which no policy fits a user; it goes with a bundle."""

    out: Path | None = None
    """The CSV file to write, with a bundle; without it the table is printed."""

    keep: bool = True
    """Keep the assignment in the run's folder; without it only the changes are said."""

    trust: bool = False
    """Allow the folder to choose code that is run, as its method or its network may need; use it
    only for folders that you trust."""

    json: bool = False
    """Print the changes, or each user's policy, as JSON."""

    def run(self) -> None:
        """Assign the users and say what changed, or who gets which policy."""
        if not self.source.exists():
            raise HandfulError(
                f"There is neither a run nor a bundle at '{self.source}': check the path."
            )
        if is_bundle(self.source):
            self._route()
            return
        from handful.training.records.services import assign_users
        from handful.training.records.stored_run import load_run

        if self.least is not None or self.out is not None:
            raise HandfulError(
                f"--least and --out go with a bundle, and '{self.source}' is none: export the run "
                f"with 'handful export'."
            )
        run = load_run(self.source, trust=self.trust)
        found = assign_users(run, _population(run, self.users, self.trust), keep=self.keep)
        if self.json:
            print_json({"version": found.version, **found.changes.record()})
            return
        kept = "" if found.folder is None else f", kept in {found.folder}"
        show(f"assignment {found.version}{kept}", comparison_summary(found.changes))

    def _route(self) -> None:
        """Give the users policies of a bundle."""
        import numpy as np

        from handful.deploy import load
        from handful.routing.known import HEADER
        from handful.users import Column, read_users

        bundle = load(self.source)
        names = bundle.features["names"]
        users = read_users(self.users, [Column(name, "finite weights") for name in names])
        weights = np.stack([users.numbers[name] for name in names], axis=1)
        found = bundle.route(weights, users.user_ids or None, self.least)
        if self.out is not None:
            write_csv(self.out, HEADER, found.rows())
        if self.json:
            rows = [dict(zip(HEADER, row, strict=True)) for row in found.rows()]
            print_json({"digest": bundle.digest, "users": rows})
        elif self.out is None:
            show(*(csv_line(row).rstrip("\n") for row in (HEADER, *found.rows())))
        served = [
            f"policy {k}: {count(n, 'user')}"
            for k, n in sorted(Counter(found.policy.tolist()).items())
            if k >= 0
        ]
        say(f"handful: {', '.join([*served, f'no policy fits: {len(found.unserved)}'])}")


def is_bundle(path: Path) -> bool:
    """Return whether a path is a bundle's, and not a run folder's."""
    return path.is_file() or (path / SUMS).exists()


def _population(run: "StoredRun", path: Path, trust: bool) -> "Population":
    """Return the users of a table: by a column for each feature, or as the task reads them."""
    from handful.population import Population
    from handful.problem import make_stored
    from handful.users import read_table

    names = tuple(run.described.get("feature_names", ()))
    columns = read_table(path, "population").columns
    if names and set(names) <= set(columns):
        return Population.from_table(path, names)
    parameters = run.described["parameters"]
    if "population" not in parameters and "users" not in parameters:
        if not names:  # then the table's columns of numbers are the features, in their order
            return Population.from_table(path)
        raise HandfulError(
            f"'{path}' must have a column of weights for each reward feature of the run: "
            f"{', '.join(names)}."
        )
    given = {name: value for name, value in parameters.items() if name != "users"}
    source = f"The run in '{run.folder}'"
    problem = make_stored(run.described["name"], {**given, "population": str(path)}, source, trust)
    return problem.population
