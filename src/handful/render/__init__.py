"""Films of robots, on machines without a screen too. Needs the extra ``render``.

Whoever needs a film imports it when it is asked for, and hears at once what is missing.
"""

from handful._support.installing import install_command
from handful.envs.gym.loading import import_mujoco
from handful.errors import HandfulError

try:
    import gymnasium  # noqa: F401
    import imageio_ffmpeg  # noqa: F401
    import PIL  # noqa: F401

    import_mujoco()
except ImportError as error:
    raise HandfulError(
        f"A film needs Gymnasium with MuJoCo, Pillow and imageio-ffmpeg, and there is no "
        f"{error.name} here: {install_command('render')}."
    ) from None
