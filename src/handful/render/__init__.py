"""Films of a run's policies, for tasks that have films. The extra ``render`` is needed.

A module that makes a film imports this package when the film is asked for. So a missing package
gives an error at once.
"""

from handful._support.installing import install_command
from handful.errors import HandfulError

try:
    import imageio_ffmpeg  # noqa: F401
    import PIL  # noqa: F401
except ImportError as error:
    raise HandfulError(
        f"A film needs Pillow and imageio-ffmpeg, and there is no {error.name} here: "
        f"{install_command('render')}."
    ) from None
