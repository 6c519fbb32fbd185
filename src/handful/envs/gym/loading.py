"""Importing MuJoCo, which chooses how to draw while it is imported and may fail at that."""

import os
from typing import Any

from handful.errors import HandfulError

VARIABLE = "MUJOCO_GL"
"""MuJoCo's own name for the choice."""


def import_mujoco() -> Any:
    """Return the package ``mujoco``.

    Raises:
        ImportError: if it is not installed.
        HandfulError: if it cannot draw in the way that the variable ``MUJOCO_GL`` asks for.
    """
    try:
        import mujoco
    except ImportError:
        raise
    except Exception as error:  # the library for drawing may raise any type
        reason = " ".join(str(error).split())
        raise HandfulError(
            f"MuJoCo cannot be loaded ({type(error).__name__}: {reason}){drawing_hint()}."
        ) from None
    return mujoco


def drawing_hint() -> str:
    """Return the end of a sentence about MuJoCo, on the environment variable for drawing."""
    asked = os.environ.get(VARIABLE)
    if not asked:
        return ""
    return (
        f": the environment variable {VARIABLE} is '{asked}', so unset it, or set it to a way of "
        f"drawing that this machine has (egl, osmesa or glfw)"
    )
