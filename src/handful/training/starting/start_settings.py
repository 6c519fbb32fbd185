"""What a run keeps of the policies that it started from, among its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StartSettings:
    """The policies that a run started from, as ``config.json`` names them.

    Attributes:
        num_given: the number of policies that there were; they are the first ones of the run.
        frozen: the numbers of the policies that stay as they were, ascending.
        policies: the digest of the policies, apart from each other
            (:func:`~handful.learner.policies_file.digest_of_policies`).
    """

    num_given: int
    frozen: tuple[int, ...]
    policies: str

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StartSettings":
        """Return the settings that ``dataclasses.asdict`` described."""
        return cls(int(values["num_given"]), tuple(values["frozen"]), str(values["policies"]))
