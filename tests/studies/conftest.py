"""What the tests of the studies' commands share."""

import pytest

from studies.command import run


@pytest.fixture
def refused(capsys):
    """What a command says where it refuses its input: one line, exit code 2, no output."""

    def call(command, *arguments):
        with pytest.raises(SystemExit) as stop:
            run(command, list(arguments))
        assert stop.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.splitlines()) == 1
        return printed.err

    return call
