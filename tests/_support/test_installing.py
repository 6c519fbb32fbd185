"""The command that adds an extra works where handful was installed from."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from handful._support import installing
from handful._support.installing import install_command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _active(monkeypatch):
    """An active environment, whose pip is that of this Python."""
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setattr(sys, "base_prefix", "elsewhere")


@pytest.mark.usefixtures("_active")
def test_from_a_checkout(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert install_command("report") == "pip install -e '.[report]'"
    monkeypatch.chdir(tmp_path)
    assert shlex.split(install_command("report"))[2:] == ["-e", f"{ROOT}[report]"]


def test_without_an_active_environment_the_right_python_is_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(sys, "base_prefix", "elsewhere")
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv" / "bin" / "python"))
    assert install_command("ray") == ".venv/bin/python -m pip install -e '.[ray]'"


@pytest.mark.usefixtures("_active")
@pytest.mark.parametrize(
    ("stored", "command"),
    [
        ({"url": ROOT.as_uri(), "dir_info": {}}, ["pip", "install", f"{ROOT}[ray]"]),
        (
            {"url": "https://a.b/c.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            ["pip", "install", "handful[ray] @ git+https://a.b/c.git"],
        ),
        ({"url": "file:///gone", "dir_info": {}}, "pip install '.[ray]' in a checkout of handful"),
        (None, "pip install '.[ray]' in a checkout of handful"),
    ],
)
def test_installed_from_elsewhere(monkeypatch, tmp_path, stored, command):
    class Distribution:
        def read_text(self, name):
            return None if stored is None else json.dumps(stored)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(installing, "_SOURCES", tmp_path)
    monkeypatch.setattr(installing, "distribution", lambda name: Distribution())
    told = install_command("ray")
    assert command in (told, shlex.split(told))


def test_no_hint_names_a_registry():
    """The package is in none: every hint comes from the one function."""
    for path in (ROOT / "src").rglob("*.py"):
        if path.name != "installing.py":
            assert "pip install" not in path.read_text(), path
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert "install 'handful[" not in page.read_text(), page
