"""Whatever stands in a study's file, it is a study or one sentence, before anything runs."""

import random

import pytest

from handful._support.controls import has_controls
from handful.errors import HandfulError
from handful.sweep.study_file import read_study

SEED = 32
FILES = 250

LINES = {
    "tasks": "[resource-gathering]",
    "methods": "[em, random]",
    "policies": "[1, 2]",
    "seeds": "[0]",
    "steps": "4096",
    "out": "runs",
    "results": "results",
    "preset": "fast",
    "settings": "{hidden_sizes: [4], num_envs: 8}",
    "method_settings": "{em: {warm_up: 3}}",
    "training": "{return_mixing: 0.2}",
    "parameters": "{resource-gathering: {height: 2, width: 2}}",
    "groups": "[{policies: [3]}]",
    "variants": "{wide: {settings: {hidden_sizes: [8]}}}",
    "reuse": "[]",
}

ODD = [
    *("", "~", "''", "a", "[]", "{}", "[~]", "[,]", "[[]]", "[{}]", "{a: ~}", "{a: {}}", "{~: a}"),
    *("true", "-1", "0", "1.5", "1e6", ".nan", "-.inf", "1" + "0" * 30, "9" * 400, "9" * 5000),
    *("2020-01-01", "!!timestamp x", "!!int x", "!!float x", "!!binary x", "!!set {a}", "!!null x"),
    *("!!omap [a]", "!!pairs [a]", "!!python/object:os.system a", "!!str 1", "!a b", "!!bool x"),
    *("[" * 40 + "]" * 40, "[" * 1200 + "]" * 1200, "{a: " * 40 + "}" * 40, "&a [*a]", "*b"),
    *(
        "&a [1, *a]",
        "{<<: a}",
        "{<<: {a: 1}}",
        "'a\\0b'",
        '"a\\0b"',
        '"\\e[31m"',
        "a\x85b",
        "\t",
        "%",
    ),
    *("[resource-gathering, ~]", "[resource-gathering, 1]", "[glide, glide]", "['']", "[em, em]"),
    *(
        "{em: {warm_up: ~}}",
        "{em: {warm_up: [1]}}",
        "{em: {1: 2}}",
        "{settings: {hidden_sizes: 3}}",
    ),
    *("{resource-gathering: {height: 1e30}}", "{resource-gathering: {start: [[1], [1, 2]]}}"),
    *(
        "{hidden_sizes: [1" + "0" * 30 + "]}",
        "{hidden_sizes: [1.5]}",
        "{num_envs: 1" + "0" * 30 + "}",
    ),
    *("[{}]", "[{policies: ~}]", "[{policies: [~]}]", "{a: {policies: [3]}}", "{'': {steps: 1}}"),
    *("{" + "a" * 300 + ": {policies: [3]}}", "/", "a/" * 3000, "a" * 300, "[a.parquet]", "[1]"),
]


def fuzzed(chance):
    """The text of a study with some of its values, keys or letters changed."""
    lines = dict(LINES)
    for key in chance.sample(sorted(lines), chance.choice([1, 1, 1, 2, 3])):
        lines[key] = chance.choice(ODD)
    if chance.random() < 0.2:
        del lines[chance.choice(sorted(lines))]
    text = "\n".join(f"{key}: {value}" for key, value in lines.items())
    if chance.random() < 0.2:
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice("[]{}:,&*!|>'\"%@`#-?\t\n\0\x1b") + text[place + 1 :]
    return text


def outcome(file):
    """What is said of a study; nothing where all is well."""
    try:
        read_study(file).runs()
    except HandfulError as error:
        return str(error)
    except BaseException as error:
        raise AssertionError(file.read_text(encoding="utf-8")) from error
    return ""


@pytest.mark.usefixtures("as_users_call")
def test_fuzzed_studies(tmp_path):
    chance, file, read = random.Random(SEED), tmp_path / "study.yaml", 0
    for _ in range(FILES):
        text = fuzzed(chance)
        file.write_text(text, encoding="utf-8", newline="")
        told = outcome(file)
        assert len(told) < 1500, text
        assert not has_controls(told), text
        read += not told
    assert 0 < read < FILES / 2
    assert list(tmp_path.iterdir()) == [file]
