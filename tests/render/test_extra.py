"""Without the extra `render` the package says what is missing."""

import pytest

from handful._support.installing import install_command
from tests.programs import error_without


@pytest.mark.parametrize("missing", ["mujoco", "PIL", "imageio_ffmpeg", "gymnasium"])
def test_missing_part_is_named_with_its_remedy(missing):
    message = f"there is no {missing} here: {install_command('render')}."
    assert message in error_without(missing, "handful.domains.speeds.film")
