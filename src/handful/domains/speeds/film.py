"""Films of robots, on machines without a screen too: one policy's robot, step by step."""

import importlib
import os
import subprocess
import sys
from collections import deque
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import numpy as np

from handful._support.installing import install_command
from handful._support.palette import policy_colour
from handful.domains.speeds.gymnasium_batch import without_remarks
from handful.domains.speeds.robots import Robot
from handful.envs.gym.loading import import_mujoco
from handful.envs.wrapper import unwrapped
from handful.errors import HandfulError
from handful.render.run import Film, Shot
from handful.types import NumpyArray

try:
    import gymnasium
    from PIL import Image, ImageDraw, ImageFont

    mujoco = import_mujoco()
except ImportError as error:
    raise HandfulError(
        f"A film of a robot needs Gymnasium with MuJoCo, and Pillow, and there is no {error.name} "
        f"here: {install_command('render')}."
    ) from None

_FLOOR = (165, 185)
_SKY = (250, 250)
"""The grey levels of the darkest and the lightest spot: a film of soft colours is small."""

_FLOOR_SIZE = 400.0
"""The metres of floor on each side of the start, more than any episode covers."""

_PLANE = int(mujoco.mjtTexture.mjTEXTURE_2D)
_SKYBOX = int(mujoco.mjtTexture.mjTEXTURE_SKYBOX)

_CLEAR = (1.0, 9.0)
"""The distances behind the robot, in metres, at which haze begins and at which it hides all."""

_LIGHT_HEIGHT = 10.0
_SHADOW_REACH = 0.5
"""Metres over the robot, and a share of the model's extent. A shadow is drawn near its light only,
and with the light nearer to the floor, or reaching farther, the floor throws stripes on itself."""

_ELEVATION = -14.0
_SIDE = 90.0
"""The direction of the camera in degrees: it looks along y, so that forward is to the right."""

_NEAREST = 2.5
"""The camera's distance in metres from a robot of no height; it is larger for taller ones."""

_LOOK_AT_HEIGHT = 0.6
"""The height that the camera looks at, as a share of the height at which the torso starts."""

_MAX_GEOMS = 200


class Camera:
    """Draws one robot; close it when done.

    Args:
        model: MuJoCo's model; its floor and sky are made lighter for good.
        data: the state of the simulation at the start of an episode; pictures show its state at the
            time.
        width, height: the size of the pictures, in pixels.
        backend: an OpenGL that works here, as :func:`choose_backend` gives.
    """

    def __init__(self, model: Any, data: Any, width: int, height: int, backend: str) -> None:
        torso_height = float(data.body("torso").xpos[2])
        distance = _NEAREST + torso_height
        _lighten(model)
        _haze(model, distance)
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.map.shadowclip = _SHADOW_REACH
        self._model, self._data = model, data
        self._context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        self._context.make_current()
        self._drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawer)
        self._scene = mujoco.MjvScene(model, _MAX_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = True
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._view = mujoco.MjvCamera()
        self._view.elevation, self._view.azimuth = _ELEVATION, _SIDE
        self._view.distance = distance
        self._look_at_height = _LOOK_AT_HEIGHT * torso_height

    def picture(self) -> NumpyArray:
        """Draw the robot as it is now: uint8 [height, width, 3]."""
        self._view.lookat[:] = (*self._torso()[:2], self._look_at_height)
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            mujoco.MjvOption(),
            None,
            self._view,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        for light in self._scene.lights[: self._scene.nlight]:
            if light.castshadow:
                light.pos[:] = (*self._torso()[:2], _LIGHT_HEIGHT)
        self._context.make_current()
        pixels = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        mujoco.mjr_render(self._rectangle, self._scene, self._drawer)
        mujoco.mjr_readPixels(pixels, None, self._rectangle, self._drawer)
        return pixels[::-1]  # OpenGL's rows go upwards

    def close(self) -> None:
        """Free the memory that OpenGL holds."""
        self._context.make_current()
        self._drawer.free()
        self._context.free()

    def _torso(self) -> NumpyArray:
        """Return where it is: x, y, z in metres."""
        return self._data.body("torso").xpos


def _lighten(model: Any) -> None:
    """Pale floor and sky without mirror images, and tiles of one metre as far as robots go."""
    model.mat_reflectance[:] = 0.0
    model.mat_specular[:] = 0.0
    for texture, kind in enumerate(model.tex_type):
        dark, light = {_PLANE: _FLOOR, _SKYBOX: _SKY}.get(int(kind), (None, None))
        if dark is not None:
            start = model.tex_adr[texture]
            size = model.tex_height[texture] * model.tex_width[texture]
            texels = model.tex_data[start : start + size * model.tex_nchannel[texture]]
            texels[:] = np.where(texels > texels.mean(), light, dark)
    for geom in np.flatnonzero(model.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE)):
        model.geom_rgba[geom] = 1.0
        model.geom_size[geom, :2] = _FLOOR_SIZE  # feet meet a plane wherever it is drawn to end
        # A texture has two tiles a side, and a size is half of a side.
        model.mat_texrepeat[model.geom_matid[geom]] = _FLOOR_SIZE


def _haze(model: Any, distance: float) -> None:
    """Let the floor fade into the sky: far away its tiles are finer than pixels."""
    extent = model.stat.extent
    model.vis.map.fogstart = (distance + _CLEAR[0]) / extent
    model.vis.map.fogend = (distance + _CLEAR[1]) / extent
    model.vis.rgba.fog[:] = (*[_SKY[0] / 255] * 3, 1.0)


_INK = "#222222"
_MARGIN = 0.03
"""The margin as a share of the picture's width, like all other lengths here."""


@dataclass(frozen=True, eq=False)
class Caption:
    """The words and the scale that stay the same throughout a policy's film.

    Attributes:
        policy: the number of the policy.
        targets: the velocities that the policy's users want, in m/s; there may be none.
        top_speed: the right end of the scale, m/s.
    """

    policy: int
    targets: NumpyArray
    top_speed: float

    @property
    def title(self) -> str:
        """``policy 3, for 20 users who want 1.20 m/s on average``."""
        if not len(self.targets):
            return f"policy {self.policy}, for nobody"
        users = (
            "1 user who wants" if len(self.targets) == 1 else f"{len(self.targets)} users who want"
        )
        mean = f"{self.targets.mean():.2f} m/s"
        average = "" if len(self.targets) == 1 else " on average"
        return f"policy {self.policy}, for {users} {mean}{average}"

    def write(self, picture: NumpyArray, velocity: float) -> Image.Image:
        """Write the title and the velocity (m/s) on a picture [height, width, 3].

        A scale at the bottom has a tick for each target and a pointer at the velocity.
        """
        image = Image.fromarray(np.ascontiguousarray(picture))
        draw = ImageDraw.Draw(image)
        unit = image.width / 480
        margin, colour = _MARGIN * image.width, policy_colour(self.policy)
        font = ImageFont.load_default(15 * unit)
        draw.rectangle((margin, margin, margin + 15 * unit, margin + 15 * unit), fill=colour)
        draw.text((margin + 22 * unit, margin - 2 * unit), self.title, fill=_INK, font=font)
        self._draw_scale(draw, image.size, velocity, colour)
        return image

    def _draw_scale(
        self, draw: ImageDraw.ImageDraw, size: tuple[int, int], velocity: float, colour: str
    ) -> None:
        width, height = size
        unit = width / 480
        left, right, y = 3 * _MARGIN * width, width - 3 * _MARGIN * width, height - 26 * unit
        font = ImageFont.load_default(13 * unit)

        def x(speed: float) -> float:
            share = min(max(speed / self.top_speed, 0.0), 1.0)
            return left + share * (right - left)

        draw.line((left, y, right, y), fill=_INK, width=round(1.5 * unit))
        for target in self.targets:
            draw.line((x(target), y - 5 * unit, x(target), y), fill=colour, width=round(unit))
        for speed in (0.0, self.top_speed):
            draw.text((x(speed), y + 4 * unit), f"{speed:g}", fill=_INK, font=font, anchor="mt")
        tip, half = x(velocity), 6 * unit
        corners = [(tip, y - 5 * unit), (tip - half, y - 15 * unit), (tip + half, y - 15 * unit)]
        draw.polygon(corners, fill=colour)
        label = f"{velocity:.2f} m/s"
        draw.text((tip, y - 18 * unit), label, fill=_INK, font=font, anchor="mb")


FRAME_SECONDS = 0.04
"""The time between two pictures, in seconds, if steps are shorter."""

VELOCITY_SECONDS = 1.0
"""The seconds over which the velocity on the film is a mean."""


def shoot(shot: Shot) -> Film:
    """Film the first seconds of an episode with a policy's likeliest actions, or all of it.

    Raises:
        HandfulError: if the problem has no robot, or this machine cannot draw.
    """
    population = shot.problem.population
    robot, observer = unwrapped(shot.problem.environment, 1, shot.seed)
    if not isinstance(robot, Robot):
        raise HandfulError(f"The problem '{shot.problem.name}' has no robot in MuJoCo to film.")
    targets = population.attributes.get("target", np.zeros(shot.problem.num_users))
    served = np.sort(targets[shot.assignment == shot.policy])
    caption = Caption(shot.policy, served, robot.top_speed)
    act = jax.jit(partial(shot.policies.act, policy=shot.policy))
    every = max(1, round(FRAME_SECONDS / robot.seconds_per_step))
    recent: deque[float] = deque(maxlen=round(VELOCITY_SECONDS / robot.seconds_per_step))
    pictures, backend = [], choose_backend()
    with without_remarks():
        stage: Any = gymnasium.make(robot.gymnasium_id, **dict(robot.gymnasium_options))
    with closing(stage), ExitStack() as afterwards:
        first, _ = stage.reset(seed=shot.seed)
        seen = observer.begin(first[None], np.zeros(1, int))
        camera = Camera(
            stage.unwrapped.model, stage.unwrapped.data, shot.width, shot.height, backend
        )
        afterwards.callback(camera.close)
        for step in range(min(robot.time_limit, round(shot.seconds / robot.seconds_per_step))):
            action = np.asarray(act(np.asarray(seen[0], np.float32)))
            observation, _, terminated, _, info = stage.step(action)
            seen = observer.add(observation[None])
            recent.append(float(info["x_velocity"]))
            if step % every == 0:
                pictures.append(caption.write(camera.picture(), float(np.mean(recent))))
            if terminated:
                break
    return Film(pictures, policy_colour(shot.policy), every * robot.seconds_per_step)


VARIABLE = "MUJOCO_GL"
"""The environment variable by which MuJoCo chooses how to draw."""

_CANDIDATES = ("egl", "osmesa")
_KNOWN = (*_CANDIDATES, "glfw", "cgl")

# A driver may end the whole process if it fails, so a process of its own tries it.
_TRIAL = """
import sys, importlib, mujoco
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(16, 16)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 100)
"""


def choose_backend() -> str:
    """Choose what the variable ``MUJOCO_GL`` asks for, else the first of EGL and OSMesa that works.

    Raises:
        HandfulError: if the chosen way to draw does not work here, or none does.
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
    """Say whether this machine can draw with a backend."""
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
