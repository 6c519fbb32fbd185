"""Films of a run's policies."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from handful._support.files import write_atomically
from handful.domains.speeds.robots import Robot
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.render.film import Caption, Film, shoot
from handful.training.opening import handed_out, open_run
from handful.types import NumpyArray

FilmFormat = Literal["gif", "mp4"]

_COLOURS = 64
"""Of a GIF: soft floor, one robot and a caption need few, and fewer make it small."""

_QUALITY = "24"
"""x264's constant rate factor: 18 looks like the original, 28 shows its savings."""


def write_film(film: Film, path: Path, kind: FilmFormat) -> None:
    """Write a film, all or nothing."""
    write = {"gif": _write_gif, "mp4": _write_mp4}[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: write(film, temporary))


def _write_gif(film: Film, path: Path) -> None:
    """One palette for all pictures and no dithering: what stands still costs nothing."""
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
    """Through the ffmpeg that imageio-ffmpeg brings."""
    first = film.pictures[0]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{first.width}x{first.height}"]
    rate = ["-r", f"{1 / film.frame_seconds:g}"]
    coding = ["-c:v", "libx264", "-crf", _QUALITY, "-pix_fmt", "yuv420p", "-f", "mp4"]
    subprocess.run(
        [get_ffmpeg_exe(), "-y", "-v", "error", *source, *rate, "-i", "-", *coding, str(path)],
        input=b"".join(picture.tobytes() for picture in film.pictures),
        check=True,
    )


VARIABLE = "MUJOCO_GL"
"""MuJoCo's own name for the choice."""

_CANDIDATES = ("egl", "osmesa")
_KNOWN = (*_CANDIDATES, "glfw", "cgl")

# A driver may end the whole process where it fails, so a process of its own tries it.
_TRIAL = """
import sys, importlib, mujoco
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(16, 16)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 100)
"""


def choose_backend() -> str:
    """What the variable ``MUJOCO_GL`` asks for, else the first of EGL and OSMesa that works.

    Raises:
        HandfulError: if what was asked for, or both of these, do not work here.
    """
    asked = os.environ.get(VARIABLE, "").strip().lower()
    if asked and asked not in _KNOWN:
        raise HandfulError(
            f"{VARIABLE}={asked} is no way to draw: unset it, or take {', '.join(_CANDIDATES)}."
        )
    for backend in (asked,) if asked else _CANDIDATES:
        if works(backend):
            return backend
    found = f"{VARIABLE}={asked} does not" if asked else "Neither EGL nor OSMesa does"
    raise HandfulError(
        f"{found} work here, and drawing a robot without a screen needs one: on Debian and Ubuntu "
        f"'apt-get install libegl1 libgl1-mesa-dri' or 'apt-get install libosmesa6'."
    )


@cache
def works(backend: str) -> bool:
    """Whether this machine can draw with it."""
    environment = {**os.environ, VARIABLE: backend}
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRIAL, backend],
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


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
    """Write a film a policy, and hand out each path when it is there.

    Args:
        path: the run's folder; an unfinished run shows its latest checkpoint.
        policies: which; none for all.
        out: the folder for ``policy-0.gif`` and so on; by default ``films`` in the run's.
        kind: "gif" or "mp4".
        seconds: of the robot's time; an episode may end before.
        size: the width in pixels; the height is three quarters of it.
        trust: whether the run's folder may choose code to run (:func:`handful.resume`).

    Raises:
        HandfulError: if there is no run of a robot, no such policy, or nothing to draw with.
    """
    _check(kind, seconds, size)
    folder, run = open_run(path, trust=trust)
    problem, config = run.problem, run.config
    robot = problem.environment
    if not isinstance(robot, Robot):
        raise HandfulError(
            f"The run in '{path}' is of '{problem.name}', and films are made of robots in MuJoCo "
            f"only: 'handful report {path}' draws what there is to see."
        )
    wanted = tuple(policies) or tuple(range(config.num_policies))
    for policy in wanted:
        if not 0 <= policy < config.num_policies:
            raise HandfulError(
                f"There is no policy {policy}: choose from 0 to {config.num_policies - 1}."
            )
    found = handed_out(folder, run)
    captions = [_caption(problem, robot, policy, found.assignment) for policy in wanted]
    backend = choose_backend()
    target = Path(out) if out is not None else folder.subfolder(folder.path / "films")
    for caption in captions:
        film = shoot(
            robot,
            found.policies,
            caption,
            seconds=seconds,
            width=size,
            height=size * 3 // 4,
            seed=config.seed,
            backend=backend,
        )
        file = target / f"policy-{caption.policy}.{kind}"
        write_film(film, file, kind)
        yield file


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


def _caption(problem: RMDP, robot: Robot, policy: int, assignment: NumpyArray) -> Caption:
    targets = problem.population.attributes.get("target", np.zeros(problem.num_users))
    return Caption(policy, np.sort(targets[assignment == policy]), robot.top_speed)
