"""Results of earlier sweeps that a study still has and must not lose."""

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.experiments.requests import RunRequest
from handful.runs import RunFolder
from handful.training.opening import is_of_todays_method, stored_run
from handful.words import count


def check_nothing_is_lost(
    parquet: Path,
    stored: Mapping[str, Mapping[str, Any]],
    reused: Container[str],
    requests: Sequence[RunRequest],
    out: Path,
) -> None:
    """A table is written anew from what a study asks for: its other rows must be elsewhere too.

    A row of a run that the study asks for with other settings, or of an earlier revision of its
    method, makes room for that run.

    Args:
        parquet: the study's table.
        stored: its rows, by digest.
        reused: digests of the rows of other tables.
        requests: all runs of the study.
        out: where its run folders are.

    Raises:
        HandfulError: if a row that the study does not ask for has no run folder any more.
    """
    asked = {request.digest for request in requests}
    spare = [digest for digest in stored if digest not in asked and digest not in reused]
    folders = _digests_in(out) if spare else set()
    # What a study names a run by.
    places = {(r.task, r.label, r.config.num_policies, r.config.seed) for r in requests}
    lost = [
        row
        for row in (stored[digest] for digest in spare if digest not in folders)
        if (row["task"], row["method"], row["policies"], row["seed"]) not in places
    ]
    if lost:
        row = lost[0]
        raise HandfulError(
            f"The table '{parquet}' holds {count(len(lost), 'run')} that the study does not ask "
            f"for and whose folders are not in '{out}' any more, like {row['method']} on "
            f"{row['task']} with k = {row['policies']}, seed {row['seed']} and {row['steps']:,} "
            f"steps: ask for them again, or move the table and the files beside it away."
        )


def _digests_in(out: Path) -> set[str]:
    """Of the finished runs whose folders are there and whole."""
    found = set()
    for config in out.glob("*/config.json"):
        folder = RunFolder(config.parent)
        if not folder.is_finished:
            continue
        try:
            stored, settings = stored_run(folder)
        except HandfulError:  # damaged: its results cannot be read again
            continue
        if is_of_todays_method(stored, settings):
            problem = stored["problem"]
            request = RunRequest(problem["name"], problem["parameters"], settings, folder.path)
            found.add(request.digest)
    return found
