"""Films of a run's policies."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from handful._support.files import write_atomically
from handful.catalogue import task_of_run, tasks
from handful.errors import HandfulError
from handful.learner.policies import Policies
from handful.parameters import find_object
from handful.problem import RMDP
from handful.training.records.run_reader import handed_out, open_run
from handful.types import NumpyArray

FilmFormat = Literal["gif", "mp4"]


@dataclass(frozen=True, eq=False)
class Shot:
    """What a task films: one policy of a run, playing an episode.

    Attributes:
        problem: the problem that the run was trained on.
        policies: all of the run's.
        policy: the number of the one that plays.
        assignment: [N] each user's policy.
        seconds: how long the film may be, in the environment's own time.
        width, height: the size of the pictures, in pixels; both are even.
        seed: the seed of the episode.
    """

    problem: RMDP
    policies: Policies
    policy: int
    assignment: NumpyArray
    seconds: float
    width: int
    height: int
    seed: int


@dataclass(frozen=True, eq=False)
class Film:
    """Pictures in a row.

    Attributes:
        pictures: the pictures in their order, all of one size.
        colour: the policy's colour, which is kept in a GIF's few colours.
        frame_seconds: how long each is shown, so that time runs as it does in the environment.
    """

    pictures: list[Image.Image]
    colour: str
    frame_seconds: float


FilmMaker = Callable[[Shot], Film]
"""What a task names in the catalogue (:attr:`handful.catalogue.Task.film`) to be filmed."""

_COLOURS = 64
"""Colours of a GIF: fewer of them make the file smaller."""

_QUALITY = "24"
"""x264's constant rate factor: 18 looks like the original, 28 shows its savings."""


def write_film(film: Film, path: Path, kind: FilmFormat) -> None:
    """Write a film to a file, whole or not at all."""
    write = {"gif": _write_gif, "mp4": _write_mp4}[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: write(film, temporary))


def _write_gif(film: Film, path: Path) -> None:
    """Write one palette for all pictures, without dithering: what stands still costs nothing."""
    sample = film.pictures[:: max(1, len(film.pictures) // 8)]
    # Little of a picture has the policy's colour, so it gets a picture of its own to be kept.
    sample = [*sample, Image.new("RGB", sample[0].size, film.colour)]
    strip = Image.fromarray(np.concatenate([np.asarray(picture) for picture in sample]))
    palette = strip.quantize(_COLOURS, dither=Image.Dither.NONE)
    frames = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in film.pictures]
    frames[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 * film.frame_seconds),
        loop=0,
        optimize=False,
    )


def _write_mp4(film: Film, path: Path) -> None:
    """Write it through the ffmpeg that imageio-ffmpeg brings."""
    first = film.pictures[0]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{first.width}x{first.height}"]
    rate = ["-r", f"{1 / film.frame_seconds:g}"]
    coding = ["-c:v", "libx264", "-crf", _QUALITY, "-pix_fmt", "yuv420p", "-f", "mp4"]
    subprocess.run(
        [get_ffmpeg_exe(), "-y", "-v", "error", *source, *rate, "-i", "-", *coding, str(path)],
        input=b"".join(picture.tobytes() for picture in film.pictures),
        check=True,
    )


SIZES = range(160, 1921, 8)
"""Widths in pixels: with heights of three quarters, both even, as films want them."""


def render_run(
    path: str | Path,
    policies: Sequence[int] = (),
    *,
    out: str | Path | None = None,
    kind: FilmFormat = "gif",
    seconds: float = 8.0,
    size: int = 480,
    trust: bool = False,
) -> Iterator[Path]:
    """Write a film for each policy, and yield each path when its file is there.

    Args:
        path: the run's folder; an unfinished run shows its latest checkpoint.
        policies: the policies to film; empty for all.
        out: the folder for ``policy-0.gif`` and so on; by default ``films`` in the run's.
        kind: "gif" or "mp4".
        seconds: the length of the film in seconds of the environment's time; an episode may end
            before.
        size: the width in pixels; the height is three quarters of it.
        trust: whether the run's folder may choose code to run (:func:`handful.resume`).

    Raises:
        HandfulError: if there is no run of a task that can be filmed, no such policy, or nothing to
            draw with.
    """
    _check(kind, seconds, size)
    folder, run = open_run(path, trust=trust)
    problem, config = run.problem, run.config
    shoot = _shoot_of(problem.name, path)
    wanted = tuple(policies) or tuple(range(config.num_policies))
    for policy in wanted:
        if not 0 <= policy < config.num_policies:
            raise HandfulError(
                f"There is no policy {policy}: choose from 0 to {config.num_policies - 1}."
            )
    found = handed_out(folder, run)
    target = Path(out) if out is not None else folder.subfolder(folder.path / "films")
    for policy in wanted:
        shot = Shot(
            problem,
            found.policies,
            policy,
            found.assignment,
            seconds=seconds,
            width=size,
            height=size * 3 // 4,
            seed=config.seed,
        )
        file = target / f"policy-{policy}.{kind}"
        write_film(shoot(shot), file, kind)
        yield file


def _shoot_of(name: str, path: str | Path) -> FilmMaker:
    """Find the function that films the task with this name.

    Raises:
        HandfulError: if the task brings no film.
    """
    task = task_of_run(name)
    if task is None or not task.film:
        filmed = ", ".join(one.title for one in tasks() if one.film)
        raise HandfulError(
            f"The run in '{path}' is of '{name}', and films are made of {filmed} only: 'handful "
            f"report {path}' draws what there is to see."
        )
    return find_object(task.film)


def _check(kind: str, seconds: float, size: int) -> None:
    if kind not in ("gif", "mp4"):
        raise HandfulError(f"The format of a film must be gif or mp4, not '{kind}'.")
    if not 0 < seconds <= 600:
        raise HandfulError(f"A film lasts more than 0 and at most 600 seconds, not {seconds:g}.")
    if size not in SIZES:
        raise HandfulError(
            f"A film's width must be a multiple of {SIZES.step} from {SIZES.start} to "
            f"{SIZES[-1]} pixels, not {size}."
        )
