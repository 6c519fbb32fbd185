"""Who is served by whom, and how well."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from handful._support.palette import policy_colours
from handful.report.plots.style import MUTED, STAND_OUT
from handful.report.run import Results
from handful.report.wording import number
from handful.types import NumpyArray

MAX_USERS_NAMED = 40
"""Users whose names fit beside each other."""

MAX_ROOMY_ROWS = 25
"""Policies that each get a row of ordinary height in the table of returns."""

_MAX_VECTOR_DOTS = 2000
"""Dots that an SVG draws as shapes; more become one picture."""

_MAX_DOTS = 10_000
"""Dots of a picture."""


@dataclass(frozen=True, eq=False)
class TableOrder:
    """The order of policies and users in the table of returns.

    Attributes:
        policies: the policies [K] from top to bottom.
        rank: the rank [N] of each user among the users of their policy, from left to right.
    """

    policies: Sequence[int]
    rank: NumpyArray

    @classmethod
    def by_return(cls, results: Results) -> "TableOrder":
        """Order policies by their numbers, and the users of a policy from best to worst served."""
        return cls(range(len(results.returns)), -results.utilities)

    def users(self, results: Results) -> NumpyArray:
        """Return the users [S] that are shown, from left to right: by policy, then by rank.

        Users whom no policy fits are left out, unless it fits nobody.
        """
        row = np.argsort(self.policies)
        is_served = results.assignment[results.shown] >= 0
        shown = results.shown[is_served] if is_served.any() else results.shown
        return shown[np.lexsort((self.rank[shown], row[results.assignment[shown]]))]


def draw_returns(
    axis: Axes, results: Results, users: Sequence[str], order: TableOrder
) -> AxesImage:
    """Draw every user's return from every policy, with a frame round those whom it serves."""
    columns, rows = order.users(results), list(order.policies)
    num_policies, num_users = len(results.returns), len(columns)
    places = np.searchsorted(results.shown, columns)
    served_by = results.assignment[columns]
    sizes = np.bincount(served_by[served_by >= 0], minlength=num_policies)
    image = axis.imshow(
        results.returns[rows][:, places],
        cmap="cividis",
        aspect="auto",
        interpolation="nearest",
    )
    is_dense = num_policies > MAX_ROOMY_ROWS
    begin = 0
    for row, size in enumerate(sizes[rows]):
        if size:
            axis.add_patch(
                Rectangle(
                    (begin - 0.5, row - 0.5),
                    size,
                    1,
                    fill=False,
                    edgecolor=STAND_OUT,
                    linewidth=1.2 if is_dense else 2.2,
                    clip_on=False,
                )
            )
        begin += size
    axis.set_ylabel("policy")
    labels = [str(policy) for policy in rows]
    axis.set_yticks(range(num_policies), labels, fontsize=6.5 if is_dense else None)
    if num_users <= MAX_USERS_NAMED:
        names = [_short(users[int(user)]) for user in columns]
        axis.set_xticks(range(num_users), names, rotation=90, fontsize=8)
    else:
        of_all = "" if num_users == len(users) else f" of {len(users):,}"
        axis.set_xlabel(f"{num_users:,}{of_all} users, by the policy that serves them")
        axis.set_xticks([])
    axis.tick_params(length=0)
    axis.grid(False)
    return image


def draw_utilities(axis: Axes, results: Results) -> None:
    """Draw the spread of welfare: every user's return from their policy, from worst to best."""
    order = np.lexsort((results.assignment, results.utilities))
    num_users = len(order)
    # More dots than pixels would show nothing more: of many users every so many-th is drawn.
    ranks = np.unique(np.linspace(0, num_users - 1, min(num_users, _MAX_DOTS)).astype(int))
    sorted_utilities = results.utilities[order][ranks]
    served_by = results.assignment[order][ranks]
    colours = np.array(policy_colours(len(results.returns)))
    axis.scatter(
        ranks + 1,
        sorted_utilities,
        c=colours[served_by].tolist(),
        s=34 if num_users <= 100 else 10,
        linewidths=0,
        rasterized=num_users > _MAX_VECTOR_DOTS,
        zorder=3,
    )
    mean = float(results.utilities.mean())
    label = f"welfare, the mean over users: {number(mean)}"
    axis.axhline(mean, color=MUTED, linestyle=(0, (5, 3)), linewidth=1.2, label=label)
    axis.set_xlabel("users, from worst to best served")
    axis.set_ylabel("return")
    axis.set_xlim(0.2, num_users + 0.8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.margins(y=0.15)


def _short(name: str, longest: int = 18) -> str:
    """Cut in the middle: names often differ at the end only."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
