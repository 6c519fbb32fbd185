"""The colours by which policies are known, in figures as in films."""

# Okabe and Ito's colours (2008), in an order that keeps neighbours apart; their yellow is left out:
# as a line on white it cannot be seen.
HUES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#4D4D4D")

_SHADES = (0.0, -0.42, 0.42, -0.68, 0.22, -0.22, 0.6, -0.55)
"""What each round through the hues adds: of black where negative, of white where positive."""

_BRIGHT = 0.55
"""Relative brightness from which black writing is easier to read than white."""


def policy_colour(policy: int) -> str:
    """Distinct hues for seven policies; after that shades of the same, 56 colours in all."""
    shade = _SHADES[policy // len(HUES) % len(_SHADES)]
    hue = HUES[policy % len(HUES)]
    return mix(hue, "#FFFFFF" if shade > 0 else "#000000", abs(shade))


def mix(colour: str, other: str, share: float) -> str:
    """Return a colour (``#rrggbb``) with a share of another in it."""
    pairs = zip(rgb(colour), rgb(other), strict=True)
    return "#" + "".join(f"{round((1 - share) * a + share * b):02x}" for a, b in pairs)


def ink_on(colour: str) -> str:
    """Black or white, whichever can be read on the colour."""
    red, green, blue = rgb(colour)
    brightness = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    return "#000000" if brightness > _BRIGHT else "#FFFFFF"


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, each 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
