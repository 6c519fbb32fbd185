"""One run of a study, as it is handed to whoever executes it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handful.results.frames import import_polars
from handful.results.labels import with_variant
from handful.training.config import TrainConfig

CHOICES = ("preset", "settings", "method_settings", "training", "parameters")
"""Of a study, in which its groups may differ, and which a run's command names."""


def check_what_is_needed(requests: "Iterable[RunRequest]") -> None:
    """Look before a sweep whether everything is installed that it will need at its end.

    Raises:
        HandfulError: naming what is missing, and how to install it.
    """
    import_polars()
    for request in requests:
        config = request.config
        config.make_method().check_installed(config.num_updates, config.num_policies)


@dataclass(frozen=True)
class RunRequest:
    """One run of a study; everything in it can be sent to another process.

    Attributes:
        task: the task's name.
        parameters: of the task.
        config: the run's settings.
        folder: where the run is kept.
        variant: the name of the study's variant that it belongs to, or nothing.
        asked: the method's name in the study, which may be ``auto``.
        chosen: what its part of the study says of :data:`CHOICES`.
    """

    task: str
    parameters: Mapping[str, Any]
    config: TrainConfig
    folder: Path
    variant: str = ""
    asked: str = ""
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A name for everything that decides the run's result, the versions of software apart."""
        settings = self.config.to_dict()
        del settings["threads"]
        # Left out where they are as they were before there was a choice: results stay known.
        for group, name, before in (
            (settings, "overlap", False),
            (settings, "discounted_table", False),
            (settings["ppo"], "initial_log_std", 0.0),
            (settings["ppo"], "learnable_log_std", True),
            (settings["ppo"], "random_actions", 0.0),
            (settings["ppo"], "discount", None),
            (settings["ppo"], "counts", False),
            (settings["ppo"], "family", False),
            (settings["ppo"], "short_episodes", None),
        ):
            if group[name] == before:
                del group[name]
        if not self.config.assigns_by_validation:  # then nothing is other than before
            del settings["final_assignment"]
        revision = self.config.make_method().revision
        if revision:
            settings["revision"] = revision
        request = [self.task, dict(self.parameters), settings]
        text = json.dumps(request, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The method's name in tables and figures; a variant stands there as one of its own."""
        return with_variant(self.method, self.variant)

    @property
    def method(self) -> str:
        """The method as the study names it."""
        return self.asked or self.config.method

    @property
    def transitions(self) -> int:
        """Of all policies together, from the first update to the last."""
        return self.config.num_updates * self.config.ppo.batch_size * self.config.num_policies
