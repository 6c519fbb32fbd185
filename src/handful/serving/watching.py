"""Drift of what a bundle is asked: what the server says of it, counts, and writes into its log."""

import threading
import time
from collections.abc import Iterator
from typing import Any

from handful._support.betting import Bet
from handful.deploy import Bundle
from handful.deploy.drift import EntryDrift
from handful.serving.audit import AuditLog

USUAL_OUTSIDE = 0.01
"""The share of observations outside the bundle's ranges above which there is drift."""

ALPHA = 0.01
"""The probability of a false alarm about the ranges, if observations are independent."""

MOST_SHOWN = 32
"""The most entries that an answer or the metrics tell of: those with the most evidence."""


class Watching:
    """The tests for drift of one bundle.

    Args:
        bundle: the bundle.
        log: the audit log. Each alarm is written into it once.
    """

    def __init__(self, bundle: Bundle, log: AuditLog) -> None:
        self._bundle, self._log, self._lock = bundle, log, threading.Lock()
        self._ranges = Bet(USUAL_OUTSIDE)
        self._is_outside, self._drifted = False, 0

    def add(self, outside: bool) -> None:
        """Take in an answer of the bundle, and write alarms that are new.

        Args:
            outside: whether the observation was outside the ranges.

        Raises:
            OSError: if the log cannot be written. The alarm is then written after a later answer.
        """
        with self._lock:
            self._ranges.add(float(outside))
            if not self._is_outside and self._ranges.is_won(ALPHA):
                self._write({"of": "ranges"})
                self._is_outside = True
            if len(self._bundle.drifted) > self._drifted:
                drift = self._bundle.drift
                found = [_shown(one) for one in drift.entries if one.drifted]
                self._write({"of": "distributions", "windows": drift.windows, "entries": found})
                self._drifted = len(found)

    @property
    def has_drifted(self) -> bool:
        """Whether there is any alarm."""
        return self._is_outside or bool(self._bundle.drifted)

    def state(self) -> dict[str, Any]:
        """Return what is known of drift, as JSON."""
        drift = self._bundle.drift
        return {
            "bundle": self._bundle.digest,
            "of_ranges": self._is_outside,
            "of_distributions": drift.drifted if drift.known else None,
            "why_unknown": drift.why_unknown,
            "windows": drift.windows,
            "observations_of_a_window": drift.length,
            "evidence_needed": drift.needed if drift.known else None,
            "entries": [_shown(one) for one in _most(drift.entries)],
        }

    def metrics(self) -> Iterator[str]:
        """Yield the lines that Prometheus reads."""
        drift, bundle = self._bundle.drift, f'bundle="{self._bundle.digest[:12]}"'
        yield f"handful_drift_of_ranges{{{bundle}}} {int(self._is_outside)}"
        yield f"handful_drift_known{{{bundle}}} {int(drift.known)}"
        if not drift.known:
            return
        yield f"handful_drift_of_distributions{{{bundle}}} {int(drift.drifted)}"
        yield f"handful_drift_windows_total{{{bundle}}} {drift.windows}"
        for one in _most(drift.entries):
            labels = f'{bundle},entry="{one.entry}",name="{_escaped(one.name)}"'
            yield f"handful_drift_distance{{{labels}}} {one.distance:.6f}"
            yield f"handful_drift_log_evidence{{{labels}}} {one.log_evidence:.6f}"

    def _write(self, record: dict[str, Any]) -> None:
        common = {"kind": "drift", "time": time.time(), "bundle": self._bundle.digest}
        self._log.write({**common, **record})


def _most(entries: tuple[EntryDrift, ...]) -> list[EntryDrift]:
    """Return the entries with the most evidence, the most first."""
    return sorted(entries, key=lambda one: (-one.log_evidence, one.entry))[:MOST_SHOWN]


def _shown(one: EntryDrift) -> dict[str, Any]:
    return {
        "entry": one.entry,
        "name": one.name,
        "distance": one.distance,
        "log_evidence": one.log_evidence,
        "drifted": one.drifted,
    }


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
