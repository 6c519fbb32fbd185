"""What a sweep keeps of a run of Resource Gathering: every step of the policies' walks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handful.results.tables import KeptTable


def walk_rows(traces: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return where each policy was after each step of an episode.

    Args:
        traces: an episode of each policy of a run, as ``traces.json`` has them.

    Returns:
        A row for each policy and step; none if the traces hold no positions on a grid.
    """
    rows: list[dict[str, Any]] = []
    for policy, trace in enumerate(traces):
        positions = np.array(trace.get("position", ()), dtype=float)
        if positions.ndim != 2 or positions.shape[1] != 2 or (positions % 1).any():
            return []
        rows += [
            {"policy": policy, "step": step, "row": row, "column": column}
            for step, (row, column) in enumerate(positions.astype(int).tolist(), 1)
        ]
    return rows


WALKS = KeptTable(
    "walks", {"policy": "UInt16", "step": "UInt16", "row": "Int16", "column": "Int16"}, walk_rows
)
"""The table ``NAME-walks.parquet`` beside a study's table of runs."""
