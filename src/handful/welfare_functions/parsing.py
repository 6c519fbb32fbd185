"""Welfare functions from text, such as ``cvar:0.1``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handful._support.checks import brief, did_you_mean
from handful.errors import HandfulError
from handful.welfare_functions.base import Welfare
from handful.welfare_functions.groups import GroupWelfare
from handful.welfare_functions.places import CVaR, Gini
from handful.welfare_functions.power import EGALITARIAN, PowerMean

FAMILIES: dict[str, Callable[[str], Welfare]] = {
    "utilitarian": lambda text: PowerMean(1.0),
    "nash": lambda text: PowerMean(0.0),
    "egalitarian": lambda text: EGALITARIAN,
    "power": lambda text: PowerMean(float(text)),
    "gini": lambda text: _gini(text),
    "cvar": lambda text: CVaR(float(text)) if text else CVaR(),
    "groups": lambda text: GroupWelfare(parse_welfare(text or "egalitarian")),
}
"""How each family's function is read from the text behind the colon."""

_BARE = ("utilitarian", "nash", "egalitarian")


def is_of_family(name: str) -> bool:
    """Return whether a name is that of a function of this library, which is concave."""
    return name.partition("@")[0].partition(":")[0] in FAMILIES


def parse_welfare(text: str) -> Welfare:
    """Read a welfare function from text.

    Args:
        text: such as ``nash``, ``power:-2``, ``cvar:0.1``, ``gini``, ``gini:3,2,1`` or
            ``groups:nash``. A number behind ``@`` is the reference point of a power mean:
            ``nash@-10``.

    Returns:
        the function.

    Raises:
        HandfulError: if there is no such function, or its parameters are out of range.
    """
    body, at, reference = text.partition("@")
    family, _, parameters = body.partition(":")
    if family not in FAMILIES or (parameters and family in _BARE):
        raise HandfulError(
            f"There is no welfare function named {brief(text)}{did_you_mean(family, FAMILIES)}: it "
            f"may be utilitarian, nash, egalitarian, power:-2, gini, gini:3, cvar:0.1 or "
            f"groups:egalitarian."
        )
    try:
        if at and family == "groups":
            return GroupWelfare(parse_welfare(f"{parameters}@{reference}"))
        made = FAMILIES[family](parameters)
        if at and not isinstance(made, PowerMean):
            raise HandfulError(f"Only power means have a reference point, not '{body}'.")
        return replace(made, reference=float(reference)) if at else made  # type: ignore[call-arg]
    except ValueError:
        raise HandfulError(
            f"The welfare function {brief(text)} needs a number behind its name, as in power:-2, "
            f"cvar:0.1 or nash@-10."
        ) from None


def _gini(text: str) -> Gini:
    numbers = tuple(float(number) for number in text.split(",")) if text else (2.0,)
    return Gini(numbers[0]) if len(numbers) == 1 else Gini(places=numbers)
