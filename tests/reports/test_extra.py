"""Without the extra `report` the package says what is missing."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_missing_part_is_named_with_its_remedy(missing):
    program = f"""
import sys
sys.modules[{missing!r}] = None
from handful.errors import HandfulError
try:
    import handful.reports.dossier
except HandfulError as error:
    print(error)
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    message = "A report needs matplotlib and jinja2: pip install 'handful[report]'.\n"
    assert finished.stdout == message
