"""The package as a newcomer gets it: version, light core, pins, wheel, make targets."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import handful

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

# Extras whose own requirements clash with the versions that we test with; pyproject.toml says why.
APART = {"gymnax"}

# What the user's extras bring, by the names they are imported by.
OPTIONAL_MODULES = [
    "PIL",
    "envpool",
    "gymnasium",
    "gymnax",
    "imageio_ffmpeg",
    "jax2onnx",
    "jinja2",
    "matplotlib",
    "mlflow",
    "mo_gymnasium",
    "mujoco",
    "onnx",
    "onnxruntime",
    "polars",
    "pydantic",
    "ray",
    "sklearn",
    "tensorboardX",
    "wandb",
    "yaml",
]


def test_version_is_the_installed_one():
    installed = importlib.metadata.version("handful")
    assert handful.__version__ == installed, "run `make -B install`"


@pytest.mark.parametrize("module", ["handful", "handful.cli.main"])
def test_core_imports_without_the_extras(module):
    blocker = f"""
import importlib, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL_MODULES}:
            raise ModuleNotFoundError(f"{{name}} belongs to an extra", name=name)

sys.meta_path.insert(0, Blocker())
importlib.import_module({module!r})
"""
    finished = subprocess.run(
        [sys.executable, "-c", blocker], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


def pins():
    """The version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for requirement in requirements:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), f"{requirement}: no pin"
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
    }


def test_every_direct_dependency_is_pinned_within_its_range():
    pinned = pins()
    together = [group for name, group in EXTRAS.items() if name not in APART]
    groups = [PROJECT["dependencies"], *together]
    for requirement in (Requirement(line) for group in groups for line in group):
        name = canonicalize_name(requirement.name)
        if name != "handful":
            assert name in pinned, f"constraints.txt has no {name}"
            assert requirement.specifier.contains(pinned[name]), f"{name} {pinned[name]}"


def test_the_library_itself_is_not_pinned():
    assert "handful" not in pins()


def test_extra_all_is_every_extra_but_the_developers():
    (everything,) = (Requirement(line) for line in EXTRAS["all"])
    assert everything.name == "handful"
    assert everything.extras == set(EXTRAS) - {"all", "dev"} - APART


def test_wheel_holds_every_file_of_the_package(tmp_path):
    if not (ROOT / ".gitignore").exists():
        pytest.skip("not a checkout")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("handful/")}
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "handful").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "handful/py.typed" in expected
    assert shipped == expected


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_help_lists_every_target():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"^  make (\S+)", shown.stdout, re.MULTILINE) == phony.split()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_first_run_installs_the_core_and_the_report_alone(tmp_path):
    """Which makes a quarter of the whole; tests and checks add the rest."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    planned = {}
    for target in ("run", "check"):
        command = ["make", "--dry-run", f"PYTHON={sys.executable}", target]
        planned[target] = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
    assert "--constraint constraints.txt --editable '.[report]'" in planned["run"]
    assert "dev]" not in planned["run"]
    assert "--constraint constraints.txt --editable '.[all,dev]'" in planned["check"]
