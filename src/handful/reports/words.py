"""How numbers and names are written, in figures and on the page."""

import numpy as np

Number = int | float | np.number


def number(value: Number) -> str:
    """Two decimals where that shows it, else three significant digits."""
    if value == 0 or abs(value) >= 0.995 or abs(value) < 1e-9:
        return f"{value + 0.0:,.2f}".replace("-0.00", "0.00")
    return f"{value:.3g}" if abs(value) < 0.01 else f"{value:.2f}"


def count(amount: Number, thing: str) -> str:
    """``1 user``, ``25 users``, ``1,000 policies``."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{amount:,.0f} {thing if amount == 1 else plural}"


def task_title(name: str) -> str:
    """``resource-gathering`` to ``Resource gathering``."""
    words = name.replace("-", " ").replace("_", " ").strip()
    return "Custom problem" if name == "custom" else words[:1].upper() + words[1:]
