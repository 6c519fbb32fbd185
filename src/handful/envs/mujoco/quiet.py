"""Loading a robot without remarks on how its model is written: users can do nothing about them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from handful.envs.mujoco.loading import import_mujoco


@contextmanager
def without_remarks() -> Iterator[None]:
    """Within it, Gymnasium warns of nothing and MuJoCo writes no file into the current folder."""
    mujoco = import_mujoco()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        mujoco.set_mju_user_warning(None)
