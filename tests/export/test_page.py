"""The examples of docs/export.md run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

import handful
from handful.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.mark.usefixtures("allow_rank_promotion")
def test_the_page_runs_as_it_stands(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    names = {"__name__": "example"}
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        exec(compile(example, "export.md", "exec"), names)
    assert capsys.readouterr().out == "1 of 1006 observations out of range\n"
    assert names["actions"].shape == (1000, 1)
    assert names["own"].shape == (2, 1)
    utilities = names["result"].evaluation.deterministic.returns[:, 7]
    np.testing.assert_allclose(names["returns"], utilities, rtol=1e-4)
    with pytest.raises(handful.HandfulError, match=r"entry 0 \(\[0\]\) is 1e\+06"):
        names["strict"].act(np.array([1e6, 0.0]), policy=0)
    digest = names["bundle"].digest
    commands = re.findall(r"^    handful (.*)$", text, flags=re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["export", "verify", "export"]
    for command in commands:
        main(command.replace("bundle", "again").split())
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "again"
    assert handful.load("again.zip").digest in out[1]
    again, first = handful.load("again"), handful.load("bundle")
    assert first.digest == digest
    for name in ("interface.json", "features.json", "assignment.csv", "vectors.npz"):
        assert again.manifest["files"][name] == first.manifest["files"][name]
    replayed = [one.name for one in handful.deploy.verify("again-onnx").formats]
    assert replayed == ["onnx", "numpy"]
    assert {"policies/2.c", "policies/2.stablehlo"} < set(
        handful.load("again-onnx").manifest["files"]
    )
