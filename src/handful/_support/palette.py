"""The colours of policies, in figures and in films."""

# Okabe and Ito's colours (2008), in an order that keeps neighbours apart; their yellow is left out:
# as a line on white it cannot be seen.
HUES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#4D4D4D")

_SHADES = (0.0, -0.42, 0.42, -0.68, 0.22, -0.22, 0.6, -0.55)
"""The share that each round through the hues adds: of black if negative, of white if positive."""

_BRIGHT = 0.55
"""The relative brightness from which on black text is easier to read than white."""


NOBODY = "#808080"
"""The colour of users whom no policy fits."""


def policy_colour(policy: int) -> str:
    """Return a policy's colour: seven distinct hues, then shades of these, 56 colours in all.

    No policy (-1) is grey.
    """
    if policy < 0:
        return NOBODY
    shade = _SHADES[policy // len(HUES) % len(_SHADES)]
    hue = HUES[policy % len(HUES)]
    return mix(hue, "#FFFFFF" if shade > 0 else "#000000", abs(shade))


def policy_colours(num_policies: int) -> list[str]:
    """Return the colours of policies, and last that of no policy, whose number is -1."""
    return [policy_colour(policy) for policy in [*range(num_policies), -1]]


def mix(colour: str, other: str, share: float) -> str:
    """Return a colour (``#rrggbb``) with a share of another in it."""
    pairs = zip(rgb(colour), rgb(other), strict=True)
    return "#" + "".join(f"{round((1 - share) * a + share * b):02x}" for a, b in pairs)


def ink_on(colour: str) -> str:
    """Return black or white, whichever can be read on the colour."""
    red, green, blue = rgb(colour)
    brightness = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    return "#000000" if brightness > _BRIGHT else "#FFFFFF"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue of ``#rrggbb``, each from 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
