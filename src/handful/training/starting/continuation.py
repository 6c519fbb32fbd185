"""What the settings of a run say of its continuations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FINAL, AGAIN = "final", "again"
RATES = (FINAL, AGAIN)
"""How a learner's rates go on: at the values with which they ended, or once more from the first to
the last."""


@dataclass(frozen=True)
class Continuation:
    """More steps of a run that had been finished.

    Attributes:
        steps: the transitions for each policy of the whole run, with all that went before.
        rates: how the learner's step size and entropy coefficient go on: ``final`` or ``again``.
    """

    steps: int
    rates: str = FINAL

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Continuation":
        """Return the continuation that a file describes."""
        return cls(int(values["steps"]), str(values["rates"]))
