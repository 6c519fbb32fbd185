import os
import subprocess
import sys

import pytest

from handful.envs.gym.loading import drawing_hint

PROGRAM = """
import sys
from handful.errors import HandfulError
try:
    {statement}
except HandfulError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import handful; handful.make('gymnasium:HalfCheetah-v5')",
        "import handful.domains.speeds.film",
        "from handful.domains.speeds.gymnasium_batch import GymnasiumBatch as Batch\n"
        "    Batch('Hopper-v4', 1, 0, {})",
    ],
)
def test_a_way_of_drawing_that_is_not_there_is_told_with_the_variable(statement):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        capture_output=True,
        text=True,
        env={**os.environ, "MUJOCO_GL": "nonsense"},
    )
    assert done.returncode == 2, done.stderr
    assert "the environment variable MUJOCO_GL is 'nonsense', so unset it" in done.stdout


def test_without_the_variable_nothing_is_said_of_it(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert drawing_hint() == ""
