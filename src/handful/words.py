"""How numbers of things are said, on the terminal and on the page."""

from typing import SupportsFloat


def count(amount: SupportsFloat, thing: str) -> str:
    """``1 user``, ``25 users``, ``1,000 policies``."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{float(amount):,.0f} {thing if amount == 1 else plural}"
