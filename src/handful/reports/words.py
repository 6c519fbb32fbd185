"""How numbers and names are written, in figures and on the page."""

import numpy as np

from handful.words import count

__all__ = ["count", "number", "task_title"]

Number = int | float | np.number


def number(value: Number) -> str:
    """Two decimals where that shows it, else three significant digits."""
    if value == 0 or abs(value) >= 0.995 or abs(value) < 1e-9:
        return f"{value + 0.0:,.2f}".replace("-0.00", "0.00")
    return f"{value:.3g}" if abs(value) < 0.01 else f"{value:.2f}"


def task_title(name: str) -> str:
    """``resource-gathering`` to ``Resource gathering``."""
    words = name.replace("-", " ").replace("_", " ").strip()
    return "Custom problem" if name == "custom" else words[:1].upper() + words[1:]
