"""Without the extra `render` the package says what is missing."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["mujoco", "PIL", "imageio_ffmpeg", "gymnasium"])
def test_missing_part_is_named_with_its_remedy(missing):
    program = f"""
import sys
sys.modules[{missing!r}] = None
from handful.errors import HandfulError
try:
    import handful.render.run
except HandfulError as error:
    print(error)
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert f"there is no {missing} here: pip install 'handful[render]'." in finished.stdout
