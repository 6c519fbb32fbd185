"""The tutorial says what the examples do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def test_its_listings_are_the_examples():
    text = (ROOT / "docs" / "tutorial.md").read_text()
    script = (EXAMPLES / "couriers.py").read_text().split('"""\n\n', 1)[1]
    assert f"```python\n{script}```" in text
    statements = [line for line in script.splitlines() if line]
    assert len(statements) == 6
    step = (EXAMPLES / "courier.py").read_text()
    assert step[step.index("    def step(") : step.index("    def _observe(")].rstrip() in text
    rows = (EXAMPLES / "courier_users.csv").read_text().splitlines()
    assert len(rows) == 201
    assert all(row in text for row in rows[:3])


def test_its_environment_passes_its_own_check(monkeypatch):
    import handful

    monkeypatch.syspath_prepend(str(EXAMPLES))
    result = handful.check_env(
        "courier:Courier", features=("speed", "comfort", "scenery"), time_limit=8
    )
    assert not result.findings


def printed_by(script: str, folder: Path) -> str:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.slow
def test_its_script_beats_the_best_single_policy(tmp_path):
    """The best single policy, computed exactly, is worth -14.6 on average over the weather."""
    for file in EXAMPLES.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    assert float(printed_by("couriers.py", tmp_path).split()[0]) > -10.0
    assert (tmp_path / "runs" / "couriers" / "assignment.csv").is_file()

    text = (ROOT / "docs" / "tutorial.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (later,) = (example for example in examples if "handful.resume" in example)
    (tmp_path / "later.py").write_text(later)
    fast, also_fast, idle = re.findall(r"\d+", printed_by("later.py", tmp_path))[:3]
    assert fast == also_fast != idle


def test_its_later_lines_read_files_that_are_there(tmp_path, monkeypatch):
    """Every file that the page names is among the examples, and its lines run as they stand."""
    import handful

    text = (ROOT / "docs" / "tutorial.md").read_text()
    for name in re.findall(r'"(\w+\.csv)"', text):
        assert (EXAMPLES / name).is_file(), name
    for file in EXAMPLES.glob("*.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    short = {"steps": 512, "settings": {"batch_size": 256, "num_envs": 8, "num_epochs": 1}}
    kind = {"features": ["speed", "comfort", "scenery"], "time_limit": 8, "processes": 1}
    problem = handful.from_gymnasium("courier:Courier", "courier_users.csv", **kind)
    trained = handful.train(problem, num_policies=3, method="em", out="runs/couriers", **short)
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (later,) = (example for example in examples if "handful.resume" in example)
    names = {}
    exec(later, names)
    assert names["new"].population.user_ids == ("rider-201", "rider-202", "rider-203")
    assert names["evaluation"].assignment.shape == (3,)
    assert names["policies"].num_policies == trained.policies.num_policies
