"""Evaluations that a test wrote or changed, bound to the files of their run as runs bind them."""

import json
from pathlib import Path

from handful.run_folder import RunFolder


def seal(path: Path, record: dict | None = None) -> None:
    """Bind an evaluation to the files as they are now.

    Args:
        path: of the run folder.
        record: the evaluation; by default the one that is there.
    """
    folder = RunFolder(path)
    record = json.loads(folder.evaluation.read_text()) if record is None else record
    sealed = ("run", "files", "digest")
    folder.write_evaluation({n: value for n, value in record.items() if n not in sealed})
