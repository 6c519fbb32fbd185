"""The command that installs a missing extra, depending on where handful was installed from.

handful is in no registry: ``pip install 'handful[report]'`` would find nothing, or another package.
"""

import json
import os
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SOURCES = Path(__file__).resolve().parents[3]
"""The checkout, if this file is in one."""

_PROJECT = "pyproject.toml"


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation, ready to be pasted.

    Args:
        extra: the name of the extra in ``pyproject.toml``, such as ``report``.
    """
    if (_SOURCES / _PROJECT).is_file():
        return f"{_pip()} install -e {shlex.quote(f'{_short(_SOURCES)}[{extra}]')}"
    origin = _origin()
    parts = urlsplit(origin)
    if parts.scheme == "file" and (Path(unquote(parts.path)) / _PROJECT).is_file():
        return f"{_pip()} install {shlex.quote(f'{_short(Path(unquote(parts.path)))}[{extra}]')}"
    if parts.scheme.startswith(("git+", "http")):
        return f"{_pip()} install {shlex.quote(f'handful[{extra}] @ {origin}')}"
    return f"{_pip()} install {shlex.quote(f'.[{extra}]')} in a checkout of handful"


def _origin() -> str:
    """Return where pip had this handful from, as an address; empty if nothing is known."""
    try:
        stored = json.loads(distribution("handful").read_text("direct_url.json") or "{}")
        address, system = stored.get("url", ""), stored.get("vcs_info", {}).get("vcs")
    except (PackageNotFoundError, ValueError, AttributeError):
        return ""
    return f"{system}+{address}" if system else str(address)


def _pip() -> str:
    """Return the pip command of the Python that runs.

    Without an active environment the command ``pip`` may belong to another Python.
    """
    active = os.environ.get("VIRTUAL_ENV")
    if sys.prefix == sys.base_prefix or (active and Path(active) == Path(sys.prefix)):
        return "pip"
    return f"{shlex.quote(str(_short(Path(sys.executable))))} -m pip"


def _short(path: Path) -> Path:
    """Return a path relative to the working folder, if it lies within."""
    try:
        folder = Path.cwd()
    except OSError:  # the folder was deleted
        return path
    return path.relative_to(folder) if path.is_relative_to(folder) else path
