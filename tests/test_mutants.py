"""The list of small faults stays true, and the script that tries them sees which survive."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools import mutants
from tools.mutants import CAUGHT, SURVIVED, Fault, Results, read_faults

ROOT = Path(__file__).parents[1]
FAULTS = read_faults()


def test_every_fault_can_be_put_in_and_has_tests():
    """Its text stands in its file once: whoever changes these lines changes the list too."""
    assert [fault.check() for fault in FAULTS if fault.check()] == []
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 55
    assert all(fault.tests and fault.why for fault in FAULTS)


def test_faults_are_spread_over_the_core():
    parts = {Path(fault.file).parts[2] for fault in FAULTS}
    core = {"collect", "evaluation", "exact", "learner", "methods", "training", "users"}
    assert core <= parts


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one function with one test, and two faults, of which the test sees one."""
    files = {
        "src/toy.py": "def double(x):\n    return 2 * x\n",
        "tests/test_toy.py": "import toy\n\n\ndef test_it():\n    assert toy.double(0) == 0\n",
        "pyproject.toml": "[tool.pytest.ini_options]\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("results", "tools"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "WORK", tmp_path / "build")
    common = {"file": "src/toy.py", "text": "2 * x", "tests": ("tests/test_toy.py::test_it",)}
    faults = [
        Fault(name="adds", becomes="2 + x", why="sums", **common),
        Fault(name="triples", becomes="3 * x", why="too much", **common),
    ]
    monkeypatch.setattr(mutants, "read_faults", lambda: faults)
    return tmp_path, faults


def test_a_fault_that_no_test_notices_survives_and_is_reported(project, capsys):
    folder, (adds, triples) = project
    assert mutants.main([]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 faults are caught." in said
    assert "survived: triples (src/toy.py)\n  too much\n  tests/test_toy.py::test_it" in said
    assert "2 * x" in (folder / "src/toy.py").read_text(), "only a copy is changed"
    results = Results(folder / "build" / "results.jsonl")
    assert (results.of(adds), results.of(triples)) == (CAUGHT, SURVIVED)
    # What is known is not tried again, and a test that notices more changes what is known.
    assert mutants.main(["--only", "adds"]) == 0
    assert "1 faults, 0 of them to be tried." in capsys.readouterr().out
    test = folder / "tests" / "test_toy.py"
    test.write_text(test.read_text().replace("double(0) == 0", "double(2) == 4"))
    assert (results.of(adds), results.of(triples)) == (None, None)
    # A killed run leaves half a line.
    kept = folder / "build" / "results.jsonl"
    kept.write_text(json.dumps({"digest": triples.digest(), "result": CAUGHT}) + '\n{"dig')
    assert Results(kept).of(triples) == CAUGHT
    assert Results(kept).of(adds) is None


def test_tests_that_fail_without_a_fault_say_nothing_of_faults(project, capsys):
    folder, _ = project
    (folder / "src" / "toy.py").write_text("def double(x):\n    return 2 * x + 1\n")
    assert mutants.main([]) == 2
    assert "Without any fault, tests in tests fail: mend these first." in capsys.readouterr().out
    assert not (folder / "build" / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"text": "4 * x"}, "its text stands 0 times in src/toy.py and must stand there once"),
        ({"text": "x"}, "its text stands 2 times"),
        ({"becomes": "2 * x"}, "changes nothing"),
        ({"becomes": "2 * ("}, "makes src/toy.py no Python"),
        ({"file": "src/toys.py"}, "there is no file src/toys.py"),
        ({"tests": ("tests/test_toy.py::test_that",)}, "no test tests/test_toy.py::test_that"),
        ({"tests": ("tests/test_toys.py",)}, "there is no test tests/test_toys.py"),
    ],
)
def test_an_entry_that_is_not_true_is_one_sentence(project, monkeypatch, capsys, change, sentence):
    _, (adds, _) = project
    monkeypatch.setattr(mutants, "read_faults", lambda: [replace(adds, **change)])
    assert mutants.main([]) == 2
    assert sentence in capsys.readouterr().err


def test_it_runs_as_a_program():
    command = [sys.executable, "tools/mutants.py", "--only", "no fault is called like this"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No fault has such a name" in done.stderr
