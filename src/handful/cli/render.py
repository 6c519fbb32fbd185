"""The command ``handful render``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from handful.cli.output import show


@dataclass
class Render:
    """Film a run's policies: a short GIF or MP4 of each, without needing a screen."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder; of an unfinished run the latest checkpoint is filmed."""

    policy: Annotated[tuple[int, ...], tyro.conf.UseAppendAction] = ()
    """The number of a policy to film, from 0 on; may be repeated. By default all are filmed."""

    out: Path | None = None
    """The folder for the films; by default 'films' in the run's."""

    format: Literal["gif", "mp4"] = "gif"
    """The format of the films."""

    seconds: float = 8.0
    """How many seconds of the environment's time are filmed, from the start of an episode."""

    size: int = 480
    """Width in pixels, a multiple of 8; the height is three quarters of it."""

    trust: bool = False
    """Allow the folder to choose code that is run, as its environment may need; use it only for
    folders that you trust."""

    def run(self) -> None:
        """Film, and say where each is."""
        from handful.devices import keep_compiled_programs
        from handful.render.run import render_run

        keep_compiled_programs()
        films = render_run(
            self.run_folder,
            self.policy,
            out=self.out,
            kind=self.format,
            seconds=self.seconds,
            size=self.size,
            trust=self.trust,
        )
        for film in films:
            show(film)
