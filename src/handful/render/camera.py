"""Pictures of a robot in MuJoCo, from beside it and moving along."""

import importlib
from typing import Any

import mujoco
import numpy as np

from handful.types import NumpyArray

_FLOOR = (165, 185)
_SKY = (250, 250)
"""Grey levels that the darkest and the lightest spot become: a film of soft colours is small."""

_FLOOR_SIZE = 400.0
"""Metres to each side of the start: farther than any episode goes."""

_PLANE = int(mujoco.mjtTexture.mjTEXTURE_2D)
_SKYBOX = int(mujoco.mjtTexture.mjTEXTURE_SKYBOX)

_CLEAR = (1.0, 9.0)
"""Metres behind the robot from where haze sets in, and to where anything is seen."""

_LIGHT_HEIGHT = 10.0
_SHADOW_REACH = 0.5
"""Metres over the robot, and a share of the model's extent. A shadow is drawn near its light only,
and with the light nearer to the floor, or reaching farther, the floor throws stripes on itself."""

_ELEVATION = -14.0
_SIDE = 90.0
"""Degrees: looking along y, so that forward is to the right."""

_NEAREST = 2.5
"""Metres from a robot of no height; taller ones are seen from farther away."""

_LOOK_AT_HEIGHT = 0.6
"""Of the height at which the torso starts."""

_MAX_GEOMS = 200


class Camera:
    """Draws one robot; close it when done.

    Args:
        model: MuJoCo's model; its floor and sky are made lighter for good.
        data: its state at the start of an episode, then whatever it is when a picture is taken.
        width, height: of pictures, in pixels.
        backend: an OpenGL that works here, as :func:`handful.render.screen.choose_backend` gives.
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
        """The robot as it is now: uint8 [height, width, 3]."""
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
        """Free what OpenGL holds."""
        self._context.make_current()
        self._drawer.free()
        self._context.free()

    def _torso(self) -> NumpyArray:
        """Where it is: x, y, z in metres."""
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
