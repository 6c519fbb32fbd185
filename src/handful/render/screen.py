"""Which OpenGL draws where there is no screen."""

import os
import subprocess
import sys
from functools import cache

from handful.errors import HandfulError

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
