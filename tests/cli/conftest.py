"""What the tests of the command line share."""

import pytest

from handful.cli.main import main


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in this process and an empty folder; its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as stop:
            code = stop.code
        output = capsys.readouterr()
        return code, output.out, output.err

    return run
