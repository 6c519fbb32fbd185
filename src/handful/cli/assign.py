"""The command ``handful assign``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from handful.cli.compare import comparison_summary
from handful.cli.output import print_json, show
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.population import Population
    from handful.training.stored_run import StoredRun


@dataclass
class Assign:
    """Give a table of users the best of a run's policies, without training or playing.

    The assignment is kept in the run's folder as a version of its own, with what it changed.
    """

    run_folder: tyro.conf.Positional[Path]
    """The folder of a finished run."""

    users: tyro.conf.Positional[Path]
    """All users from now on: a CSV or Parquet file, one row a user, with a column of weights for
    each reward feature of the run, or else the columns that the run's task knows."""

    keep: bool = True
    """Keep the assignment in the run's folder; without it only the changes are said."""

    trust: bool = False
    """Allow the folder to choose code that is run, as its method or its network may need; use it
    only for folders that you trust."""

    json: bool = False
    """Print the changes as JSON."""

    def run(self) -> None:
        """Assign the users and say what changed."""
        from handful.training.services import assign_users
        from handful.training.stored_run import load_run

        run = load_run(self.run_folder, trust=self.trust)
        found = assign_users(run, _population(run, self.users, self.trust), keep=self.keep)
        if self.json:
            print_json({"version": found.version, **found.changes.record()})
            return
        kept = "" if found.folder is None else f", kept in {found.folder}"
        show(f"assignment {found.version}{kept}", comparison_summary(found.changes))


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
