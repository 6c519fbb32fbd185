"""Films of a run's policies."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from handful.envs.mujoco.robots import Robot
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.render.caption import Caption
from handful.render.files import FilmFormat, write_film
from handful.render.film import shoot
from handful.render.screen import choose_backend
from handful.training.opening import handed_out, open_run
from handful.types import NumpyArray

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
    folder, problem, config = open_run(path, trust=trust)
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
    found = handed_out(folder, problem, config)
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
