"""What every page is made with: the templates, and pictures that a page holds in itself."""

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates() -> Environment:
    """The templates of the pages; what is put into them is text, whatever it looks like."""
    return Environment(
        loader=PackageLoader("handful.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def image_source(svg: Path) -> str:
    """A picture as the source of an image of its own: two figures' element ids cannot clash."""
    encoded = base64.b64encode(svg.read_bytes()).decode("ascii")
    return f"data:image/svg+xml;base64,{encoded}"
