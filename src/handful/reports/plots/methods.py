"""How methods look: each has its colour and marker in every figure, whichever others are in it."""

from typing import NamedTuple

from handful.palette import HUES, mix, policy_colour
from handful.results.labels import method_of


class Look(NamedTuple):
    """Of a method's line.

    Attributes:
        colour: ``#rrggbb``.
        marker: as matplotlib names it, so that colour is not all that tells lines apart.
        dashes: lengths of line and gap; nothing is a solid line.
    """

    colour: str
    marker: str
    dashes: tuple[float, ...] = ()


_BLUE, _ORANGE, _GREEN, _PINK, _RED, _SKY, _GREY = HUES

_LOOKS = {
    "em": Look(_BLUE, "o"),
    "end-to-end": Look(_ORANGE, "s"),
    "cluster": Look(_GREEN, "^"),
    "random": Look(_GREY, "v"),
    "fixed": Look(mix(_GREY, "#FFFFFF", 0.4), "<"),
    "soft-em": Look(_SKY, "P"),
    "pooled-em": Look(mix(_PINK, "#000000", 0.45), "X"),
    "planned-em": Look(_PINK, "D"),
    "family-em": Look(mix(_RED, "#000000", 0.6), "d"),
    "elite-em": Look(mix(_BLUE, "#000000", 0.55), "p"),
    "branching-em": Look(mix(_BLUE, "#FFFFFF", 0.5), ">"),
    "auto": Look(_RED, "*"),
}
"""In the order of legends: the paper's methods, then ours. There are more methods than hues: the
last of ours have shades that stay apart from all others also for the colour-blind."""

PAPER_METHODS = ("em", "end-to-end", "cluster", "random")

_OTHER_MARKERS = "h8"
_SUFFIX_DASHES = ((4.0, 1.0, 1.0, 1.0), (1.0, 0.8), (2.2, 1.1))
"""Of a method whose label says that its settings are others: its words choose among them."""


def method_rank(label: str) -> tuple[int, str]:
    """Sorts labels: methods in the order of legends, unknown ones after them by name."""
    names = list(_LOOKS)
    name = method_of(label)
    return (names.index(name) if name in names else len(names), label)


def method_look(label: str) -> Look:
    """The look of a method; with other settings its line is dashed and its colour darker."""
    name = method_of(label)
    if name in _LOOKS:
        look = _LOOKS[name]
    else:  # another's method: the same look in every figure, as its name decides it
        number = sum(name.encode())
        marker = _OTHER_MARKERS[number % len(_OTHER_MARKERS)]
        look = Look(policy_colour(len(_LOOKS) + number % 40), marker)
    if label == name:
        return look
    dashes = _SUFFIX_DASHES[sum(label.removeprefix(name).encode()) % len(_SUFFIX_DASHES)]
    return look._replace(colour=mix(look.colour, "#000000", 0.3), dashes=dashes)
