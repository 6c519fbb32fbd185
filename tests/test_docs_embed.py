"""The page on C runs as it stands: its program is compiled, and acts as the bundle does."""

import re
import subprocess
from pathlib import Path

import pytest

from handful.cli.main import main

PAGE = Path(__file__).parent.parent / "docs" / "embed.md"
PART = re.compile(
    r"```(python|c)\n(.*?)```|^    ((?:handful|cc|echo) [^\n]*)$", re.DOTALL | re.MULTILINE
)


def run_part(kind, text, command, names):
    """Run a part of the page, and return what a command of the shell prints."""
    if kind == "python":
        exec(compile(text, PAGE.name, "exec"), names)
    elif kind == "c":
        Path("controller.c").write_text(text)
    elif command.startswith("handful "):
        main(command.split()[1:])
    else:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout
    return ""


@pytest.mark.usefixtures("allow_rank_promotion")
def test_the_page_runs_as_it_stands(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    parts = PART.findall(PAGE.read_text())
    kinds = [kind or command.split()[0] for kind, _, command in parts]
    assert kinds == ["python", "handful", "c", "cc", "echo", "python", "python"]
    printed = [run_part(*part, names) for part in parts]
    alone = names["bundle"].act([0.0, 0.0], policy=2)
    assert float(printed[4]) == pytest.approx(float(alone[0]), abs=1e-5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "True"
    numbers = [int(number) for number in re.findall(r"\d+", lines[-1].split("=")[1])]
    assert numbers == names["result"].assignment.tolist()
    answer = subprocess.run(
        ["./controller"], input="1 nan 0.0\n", capture_output=True, text=True, check=True
    )
    assert answer.stdout == "0\n"
