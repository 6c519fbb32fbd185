"""Runs that are not seeds of one thing have labels of their own."""

import errno
import sys
from pathlib import Path

import pytest

from handful.errors import HandfulError
from handful.report.plots.style import method_looks
from handful.report.study.reading import STUDIES_FILE, labelled_runs, read_suffixes
from handful.results.tables import read_studies
from tests.report.study.results import run_row, small_manifest, write_results


def labels(root, suffixes=None):
    """By label, the digests."""
    found = {}
    for row in labelled_runs(read_studies(root), suffixes or {}):
        found.setdefault(row["label"], []).append(row["digest"])
    return found


def runs(name, method="em", seeds=2, **changes):
    return [run_row("t", method, 5, s, 1.0, digest=f"{name}{s}", **changes) for s in range(seeds)]


def test_other_runs_of_the_same_seeds_in_two_studies(tmp_path):
    """They have no manifests: it is all that is known."""
    write_results(tmp_path / "one", [*runs("a"), *runs("b", "random")])
    write_results(tmp_path / "two", [*runs("c"), *runs("d", "cluster")])
    assert labels(tmp_path) == {
        "em, one": ["a0", "a1"],
        "random": ["b0", "b1"],
        "em, two": ["c0", "c1"],
        "cluster": ["d0", "d1"],
    }
    told = labels(tmp_path, {"two": "fast"})
    assert {name: told[name] for name in ("em", "em, fast")} == {
        "em": ["a0", "a1"],
        "em, fast": ["c0", "c1"],
    }


def test_other_settings_for_other_seeds_in_two_studies(tmp_path):
    one, two = runs("a", seeds=3)[:2], runs("a", seeds=3)[2:]
    write_results(tmp_path / "one", one, manifest=small_manifest(one))
    write_results(tmp_path / "two", two, manifest=small_manifest(two, preset="fast"))
    assert labels(tmp_path) == {"em, one": ["a0", "a1"], "em, two": ["a2"]}


def test_more_seeds_with_the_same_settings_in_two_studies(tmp_path):
    one, two = runs("a", seeds=3)[:2], runs("a", seeds=3)[1:]
    write_results(tmp_path / "one", one, manifest=small_manifest(one))
    write_results(tmp_path / "two", two, manifest=small_manifest(two))
    assert labels(tmp_path) == {"em": ["a0", "a1", "a2"]}


@pytest.mark.parametrize("known", [True, False])
def test_groups_of_one_study_that_differ_only_in_settings(tmp_path, known):
    rows = [*runs("a"), *runs("b", steps=9000), run_row("t", "em", 5, 2, 1.0, digest="c2")]
    manifest = small_manifest(rows)
    for run in manifest["runs"]:
        if run["digest"] != "a0":
            run |= {"preset": "fast", "settings": {"num_epochs": 1}}
    if not known:  # a killed sweep has not written it anew
        manifest["runs"] = manifest["runs"][:1]
    write_results(tmp_path / "one", rows, manifest=manifest)
    expected = {"em": ["a0"], "em, fast, num_epochs=1": ["a1", "b0", "b1", "c2"]}
    assert labels(tmp_path) == (expected if known else {"em": ["a0", "a1", "b0", "b1", "c2"]})


def test_settings_of_other_methods_and_tasks_are_no_difference(tmp_path):
    rows = runs("a")
    manifest = small_manifest(rows)
    changes = {"method_settings": {"random": {"x": 1}}, "parameters": {"glide": {"users": 3}}}
    manifest["runs"][0] |= changes
    write_results(tmp_path / "one", rows, manifest=manifest)
    assert labels(tmp_path) == {"em": ["a0", "a1"]}


def test_lines_of_one_method_in_two_studies_look_different():
    looks = method_looks(["em", "em, tiny", "em, tiny2"])
    assert len(set(looks.values())) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'a: ""\nb: "fast"\na: "slow"\n',
            "studies.yaml' has 'a' twice, in line 1 and in line 3: k",
        ),
        ('a: {em: "x", em: "y"}\n', "studies.yaml' has 'em' twice"),
        ('2024: ""\n', "studies.yaml' has a key in line 1 that is no text, 2024: quote it"),
        ('a: "\n', "studies.yaml' is not valid YAML"),
        ("a: 3\n", "studies.yaml' must be lines 'study: words after its methods' names'"),
        ("", "studies.yaml' must be lines"),
    ],
)
def test_a_bad_list_of_studies_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / STUDIES_FILE
    path.write_text(text)
    with pytest.raises(HandfulError, match=sentence):
        read_suffixes(path)


def test_a_list_of_studies_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / STUDIES_FILE
    path.write_text('a: ""\n')
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(HandfulError, match=r"Studies need PyYAML and polars: .*pip install"):
        read_suffixes(path)
    monkeypatch.undo()

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(HandfulError, match=r"studies.yaml' cannot be read \(Permission denied\)"):
        read_suffixes(path)
