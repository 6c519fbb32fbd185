"""Without the extra `report` the package says what is missing."""

import pytest

from handful._support.installing import install_command
from tests.programs import error_without


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_missing_part_is_named_with_its_remedy(missing):
    message = f"A report needs matplotlib and jinja2: {install_command('report')}.\n"
    assert error_without(missing, "handful.report.page") == message
