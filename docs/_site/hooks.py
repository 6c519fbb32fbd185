"""Brings files of the repository that pages link to into the site.

The pages are read in the repository, too, where ``../results/table.md`` is a file. Each such file
becomes a part of the site below ``repository/``, and the links of the pages lead there.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PREFIX = "repository"

_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file outside ``docs`` that a page links to, and the files that it links to."""
    waiting = [Path(file.abs_src_path or "") for file in files if file.src_path.endswith(".md")]
    seen: set[Path] = set(waiting)
    while waiting:
        page = waiting.pop()
        for match in _LINK.finditer(page.read_text(encoding="utf-8")):
            target = (page.parent / match.group(2)).resolve()
            if "://" in match.group(2) or target in seen or not target.is_file():
                continue
            if target.is_relative_to(ROOT) and not target.is_relative_to(ROOT / "docs"):
                seen.add(target)
                files.append(_file(target, config))
                if target.suffix == ".md":
                    waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to files outside ``docs`` to their copies in the site."""
    source = Path(page.file.abs_src_path)

    def place(path: Path) -> str:
        if path.is_relative_to(ROOT / "docs"):
            return path.relative_to(ROOT / "docs").as_posix()
        return f"{PREFIX}/{path.relative_to(ROOT).as_posix()}"

    def moved(match: re.Match[str]) -> str:
        before, link, anchor, after = match.groups()
        target = (source.parent / link).resolve()
        if "://" in link or not target.is_file() or not target.is_relative_to(ROOT):
            return match.group()
        here = posixpath.dirname(place(source))
        return f"{before}{posixpath.relpath(place(target), here or '.')}{anchor or ''}{after}"

    return _LINK.sub(moved, markdown)


def _file(path: Path, config: MkDocsConfig) -> File:
    place = f"{PREFIX}/{path.relative_to(ROOT).as_posix()}"
    return File.generated(config, place, abs_src_path=str(path))
