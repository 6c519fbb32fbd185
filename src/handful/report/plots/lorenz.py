"""The Lorenz curve: which share of all that is earned the worst served users have."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from handful._support.palette import HUES
from handful.report.plots.style import MUTED, STAND_OUT
from handful.report.wording import number
from handful.types import NumpyArray

_MOST_POINTS = 500


def lorenz(utilities: NumpyArray) -> tuple[NumpyArray, NumpyArray, bool]:
    """Give the points of a Lorenz curve.

    Args:
        utilities: what each user gets, [N].

    Returns:
        the shares of the users from the worst served on, from 0 to 1; what these get together as a
        share of everything, or for each of all users where somebody gets less than nothing (the
        generalised Lorenz curve); and whether it is a share.
    """
    ordered = np.sort(np.asarray(utilities, float))
    reached = np.append(0.0, np.cumsum(ordered))
    users = np.linspace(0.0, 1.0, len(ordered) + 1)
    is_share = bool(ordered[0] >= 0.0 and reached[-1] > 0.0)
    return users, reached / (reached[-1] if is_share else len(ordered)), is_share


def gini_coefficient(utilities: NumpyArray) -> float:
    """Give the Gini coefficient of utilities [N] of at least 0: 0 if all have the same."""
    users, shares, _ = lorenz(utilities)
    return float(1.0 - np.sum(np.diff(users) * (shares[1:] + shares[:-1])))


def draw_lorenz(axis: Axes, utilities: NumpyArray) -> None:
    """Draw the Lorenz curve of utilities [N], and the line of equality."""
    users, reached, is_share = lorenz(utilities)
    some = np.unique(np.linspace(0, len(users) - 1, min(len(users), _MOST_POINTS)).astype(int))
    users, reached, end = users[some], reached[some], float(reached[-1])
    axis.plot(
        [0, 1],
        [0, end],
        color=MUTED,
        linestyle=(0, (5, 3)),
        linewidth=1.2,
        label="if all had the same",
    )
    label = "these users"
    if is_share:
        label += f" (Gini coefficient {number(gini_coefficient(utilities))})"
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.plot(users, reached, color=STAND_OUT, linewidth=1.8, label=label, zorder=3)
    axis.fill_between(users, reached, users * end, color=HUES[0], alpha=0.12, linewidth=0)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlim(0.0, 1.0)
    axis.set_xlabel("share of the users, the worst served first")
    axis.set_ylabel("share of all returns" if is_share else "their returns, for each of all users")
