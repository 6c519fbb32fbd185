"""How numbers and names are written, in figures and on the page."""

from collections.abc import Iterable

import numpy as np

from handful._support.text import count
from handful.catalogue import tasks

__all__ = ["count", "number", "seed_list", "task_title"]

Number = int | float | np.number


def number(value: Number) -> str:
    """Write a number with two decimals if that shows it, else with three significant digits."""
    if value == 0 or abs(value) >= 0.995 or abs(value) < 1e-9:
        return f"{value + 0.0:,.2f}".replace("-0.00", "0.00")
    return f"{value:.3g}" if abs(value) < 0.01 else f"{value:.2f}"


def seed_list(seeds: Iterable[int]) -> str:
    """Write seeds as ``seed 3``, ``seeds 0, 4`` or ``seeds 0 to 9``."""
    found = sorted(seeds)
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"seeds {found[0]} to {found[-1]}"
    return f"seed{'' if len(found) == 1 else 's'} {', '.join(map(str, found))}"


def task_title(name: str) -> str:
    """Write a task's name as a title: ours in words, as ``Resource gathering``, others as given."""
    if name == "custom":
        return "Custom problem"
    if name not in {task.name for task in tasks() if task.entry_point.startswith("handful.")}:
        return name
    words = name.replace("-", " ")
    return words[:1].upper() + words[1:]
