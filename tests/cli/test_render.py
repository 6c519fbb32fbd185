"""`handful render` as users run it."""

import pytest

from tests.programs import handful
from tests.render.folders import write_untrained_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_untrained_run(folder / "walker", "walker2d", users=5)
    write_untrained_run(folder / "grid", "resource-gathering", has_checkpoint=False)
    return folder


def test_it_films_and_says_where(runs):
    short = ["--seconds", 0.2, "--size", 160]
    done = handful(
        "render", "walker", "--policy", 1, "--out", "films", *short, cwd=runs, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "films/policy-1.gif\n", "")
    assert (runs / "films" / "policy-1.gif").read_bytes().startswith(b"GIF89a")
    assert sorted(path.name for path in runs.iterdir()) == ["films", "grid", "walker"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no run folder at"),
        (["grid"], "The run in 'grid' is of 'resource-gathering'"),
        (["walker", "--policy", "2"], "There is no policy 2"),
        (["walker", "--size", "7"], "not 7"),
    ],
)
def test_one_sentence_and_exit_code_2(runs, call, monkeypatch, arguments, sentence):
    monkeypatch.chdir(runs)
    code, output, errors = call("render", *arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("handful: ")
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1
