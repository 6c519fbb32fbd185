"""YAML of which a part would be lost, or is not what it seems."""

import pytest

from handful.errors import HandfulError
from handful.results.yaml_file import meant, read_yaml


def read(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    return read_yaml(path, "The file")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "The file has 'a' twice, in line 1 and in line 3: keep one"),
        ("x: {a: 1, 'a': 3}", "has 'a' twice"),
        ("x: {1: 2}", "has a key in line 1 that is no text, 1: quote it"),
        ("x:\n  yes: 2", "has a key in line 2 that is no text, yes"),
        ("{[1]: 2}", "no text, a sequence"),
        ("x: &b {y: *b}", "line 1 that contains itself"),
        ("- &a [*a]", "line 1 that contains itself"),
        ("[" * 5000, "nested too deeply"),
        ("x: 2024-99-99", "is not valid YAML: month must be in 1..12"),
        ("x: [1", "is not valid YAML: "),
    ],
)
def test_one_sentence(tmp_path, text, sentence):
    with pytest.raises(HandfulError, match=sentence) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_what_is_there_twice_but_not_in_itself_is_well(tmp_path):
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, x: 2}\nd: [*a, *a]"
    one = {"x": 1}
    assert read(tmp_path, text) == {"a": one, "b": one, "c": {"x": 2}, "d": [one, one]}


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("3e-4", ": write 3.0e-4"),
        ("2.5E-3", ": write 2.5e-3"),
        ("1e6", ": write 1000000"),
        ("-1.5e1", ": write -15"),
        ("1e20", ": write 1.0e+20"),
        (1e6, ": write 1000000"),
        (0.5, ""),
        ("many", ""),
        (True, ""),
        (None, ""),
    ],
)
def test_numbers_as_people_write_them(value, end):
    assert meant(value) == end


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    file = tmp_path / "a.yaml"
    file.write_text("\n".join(lines))
    with pytest.raises(HandfulError, match="has more than 100,000 values, its aliases"):
        read_yaml(file, "The study 'a.yaml'")


@pytest.mark.parametrize(
    "value", ["!!timestamp x", "!!int x", "!!float x", "!!binary é", "!!bool x"]
)
def test_a_tag_that_its_text_does_not_keep(tmp_path, value):
    file = tmp_path / "a.yaml"
    file.write_text(f"a: {value}", encoding="utf-8")
    with pytest.raises(HandfulError, match=r"The study 'a\.yaml' is not valid YAML: "):
        read_yaml(file, "The study 'a.yaml'")
