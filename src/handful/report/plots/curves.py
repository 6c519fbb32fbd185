"""How training went: welfare, entropy and users of each policy against transitions."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from handful._support.palette import policy_colour
from handful.report.plots.style import (
    INK,
    MAX_VECTOR_POINTS,
    STAND_OUT,
    label_transitions,
    policy_dashes,
)
from handful.report.run import Curves
from handful.report.wording import number
from handful.types import NumpyArray

_MIN_SHARE_NAMED = 0.08
"""The share of all users below which a policy's band is too thin for its number."""


@dataclass(frozen=True)
class Reference:
    """The result and the optimum that a learning curve is compared with.

    Attributes:
        welfare: evaluated, with the policies' likeliest actions.
        stderr: the standard error of that value.
        optimum: the best welfare possible or a bound on it, if known.
        optimum_kind: "exact" or "upper bound".
    """

    welfare: float
    stderr: float
    optimum: float | None
    optimum_kind: str | None


def draw_welfare(axis: Axes, curves: Curves, reference: Reference | None) -> None:
    """Draw training welfare and, once the run is evaluated, its result and the optimum.

    The lines are labelled for a legend, which the figure has room for outside the axis.
    """
    axis.plot(
        curves.transitions,
        curves.welfare,
        color=INK,
        linewidth=1.6,
        label="training (sampled actions, moving average)",
    )
    if reference is not None:
        axis.errorbar(
            curves.transitions[-1],
            reference.welfare,
            yerr=reference.stderr,
            color=STAND_OUT,
            marker="D",
            markersize=6,
            capsize=3,
            linestyle="none",
            clip_on=False,
            zorder=3,
            label=f"evaluated: {number(reference.welfare)} ± {number(reference.stderr)}",
        )
        if reference.optimum is not None:
            draw_optimum(axis, reference.optimum, reference.optimum_kind or "")
    axis.set_ylabel("welfare (mean return of a user)")
    label_transitions(axis, curves.transitions[-1])
    axis.margins(y=0.08)


def draw_optimum(axis: Axes, optimum: float, kind: str) -> None:
    """Draw the optimum as a dashed line with its name on it."""
    name = "upper bound on welfare" if kind == "upper bound" else "optimum (exact)"
    axis.axhline(optimum, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
    axis.annotate(
        f"{name}: {number(optimum)}",
        (0.01, optimum),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        va="bottom",
    )


def draw_entropy(axis: Axes, curves: Curves, entropy: NumpyArray) -> None:
    """Draw the entropy of each policy's actions: how much it still tries out."""
    for policy in range(entropy.shape[1]):
        axis.plot(
            curves.transitions,
            entropy[:, policy],
            color=policy_colour(policy),
            linestyle=policy_dashes(policy),
            linewidth=1.4,
            rasterized=entropy.size > MAX_VECTOR_POINTS,
        )
    axis.set_ylabel("entropy (nats)")
    label_transitions(axis, curves.transitions[-1])


def draw_users(axis: Axes, curves: Curves) -> None:
    """Draw the users of each policy, stacked, with a policy's number if there is room."""
    num_policies = curves.users.shape[1]
    axis.stackplot(
        curves.transitions,
        curves.users.T,
        colors=[policy_colour(policy) for policy in range(num_policies)],
        edgecolor="white",
        linewidth=0.4,
        rasterized=curves.users.size > MAX_VECTOR_POINTS,
    )
    total, below = curves.users[-1].sum(), 0.0
    for policy, users in enumerate(curves.users[-1]):
        if users >= _MIN_SHARE_NAMED * total:
            axis.annotate(
                str(policy),
                (curves.transitions[-1], below + users / 2),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                annotation_clip=False,
            )
        below += users
    axis.set_ylabel("users")
    axis.set_ylim(0, total)
    label_transitions(axis, curves.transitions[-1])
    axis.grid(False)
