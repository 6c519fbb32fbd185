"""The findings of a conformance check, and the list of all checks."""

from collections.abc import Sequence
from dataclasses import dataclass

DEFECT = "defect"
"""The severity of a fault with which training would fail or learn something wrong."""

WARNING = "warning"
"""The severity of a fault with which training works, but may give a poorer or other result."""

CHECKS = {
    "made": "it can be made, and its spaces can be trained in",
    "api": "reset() and step() return what Gymnasium says",
    "errors": "no action makes it fail",
    "observation-shape": "observations have the shape of their space",
    "observation-type": "observations have the type of their space",
    "observation-bounds": "observations lie within the bounds of their space",
    "finite-observations": "observations are finite numbers",
    "observation-digits": "observations keep their differences in 32 bits",
    "observation-range": "observations use the range of their space",
    "reused-observations": "every observation is an object of its own",
    "reward": "rewards are numbers, always as many",
    "info": "features are in info at every step",
    "finite-features": "features are finite numbers",
    "constant-features": "every feature varies",
    "duplicate-features": "no feature repeats another",
    "feature-scales": "features are of comparable size",
    "deterministic": "the same seed and actions give the same episode",
    "clean-reset": "reset() leaves nothing of the episode before",
    "same-dynamics": "all copies behave alike",
    "process": "a copy in another process behaves alike",
    "fresh-chance": "reset() without a seed starts a new episode",
    "actions-matter": "actions make a difference",
    "action-range": "actions have a range that suits them",
    "ends": "episodes end, or a time limit is known",
    "time-limit": "the declared time limit is kept",
    "truncation": "a time limit truncates and does not terminate",
    "final-observation": "the last observation is of the episode that ended",
}
"""The condition that each check tests, by the check's name."""


@dataclass(frozen=True)
class Finding:
    """A condition that does not hold.

    Attributes:
        check: the name of the check, one of :data:`CHECKS`.
        severity: the severity, ``defect`` or ``warning``.
        message: a sentence that says what was seen and how to mend it.
    """

    check: str
    severity: str
    message: str


class Defect(Exception):
    """The error after which nothing further can be checked."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(check, DEFECT, message)


@dataclass(frozen=True)
class Conformance:
    """The result of a check.

    Attributes:
        label: the name of the environment.
        findings: the conditions that do not hold.
        looked_at: the names of the checks that could be made; the others need a check that failed.
        steps: the number of steps that were taken.
        steps_per_second: the speed of one copy of the environment.
        feature_names: the names of the features [D]; empty if the environment could not be stepped.
        time_limit: the time limit of an episode in steps, or None if none is known.
    """

    label: str
    findings: tuple[Finding, ...]
    looked_at: tuple[str, ...]
    steps: int = 0
    steps_per_second: float = 0.0
    feature_names: tuple[str, ...] = ()
    time_limit: int | None = None

    @property
    def defects(self) -> tuple[Finding, ...]:
        """The findings that must be mended."""
        return tuple(found for found in self.findings if found.severity == DEFECT)

    @property
    def passed(self) -> bool:
        """Whether there is no defect; warnings do not count."""
        return not self.defects

    def of(self, check: str) -> Sequence[Finding]:
        """Return the findings of one check."""
        return [found for found in self.findings if found.check == check]
