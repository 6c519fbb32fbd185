"""The pictures that the page of every run has: how each is laid out, and what it shows in words."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from handful.report.fairness import served_utilities
from handful.report.pictures import Picture, TaskPictures
from handful.report.plots.curves import Reference, draw_entropy, draw_users, draw_welfare
from handful.report.plots.lorenz import draw_lorenz, lorenz
from handful.report.plots.served import (
    MAX_ROOMY_ROWS,
    MAX_USERS_NAMED,
    TableOrder,
    draw_returns,
    draw_utilities,
)
from handful.report.plots.style import WIDTH, legend_above, policy_handle, single
from handful.report.run import Curves, Results, Run
from handful.report.wording import count, number
from handful.types import NumpyArray


def run_pictures(run: Run, of_task: TaskPictures) -> list[Picture]:
    """List the pictures of a run that its folder has the data for, whatever the task is.

    Args:
        run: the run, read from its folder.
        of_task: what the run's task adds to the page; it may also say how tables are ordered.
    """
    found = []
    if run.results is not None:
        found += _result_pictures(run, run.results, of_task)
    if run.curves is not None:
        found += _curve_pictures(run, run.curves)
    return found


def _result_pictures(run: Run, results: Results, of_task: TaskPictures) -> list[Picture]:
    low, high = results.utilities.min(), results.utilities.max()
    return [
        Picture(
            "returns",
            "Every user's return from every policy",
            f"A table of colours, {count(run.num_policies, 'policy')} by "
            f"{count(len(run.users), 'user')}, with a frame round the users whom each policy "
            f"serves.",
            partial(_returns, run, results, of_task.order or TableOrder.by_return(results)),
            caption=f"Every user's mean return from every policy. {of_task.order_words}, and an "
            f"orange frame is round those whom a policy serves: what is bright outside a frame "
            f"would serve a user too.",
            is_wide=True,
        ),
        Picture(
            "utilities",
            "The spread of welfare",
            f"Users from worst to best served: from {number(low)} to {number(high)}, "
            f"{number(results.utilities.mean())} on average.",
            partial(_utilities, results),
            caption="Every user's mean return, in the colour of their policy.",
            is_wide=True,
        ),
        _lorenz_picture(served_utilities(run, results)),
    ]


def _lorenz_picture(utilities: NumpyArray) -> Picture:
    """Return the picture of how returns are shared out among users."""
    users, reached, is_share = lorenz(utilities)
    half = float(np.interp(0.5, users, reached))
    what = f"{100 * half:.0f} % of all returns" if is_share else f"{number(half)} for each user"
    negative = (
        ""
        if is_share
        else " As somebody gets less than nothing, it shows returns and no shares of them."
    )
    return Picture(
        "lorenz",
        "The Lorenz curve",
        f"The Lorenz curve: the worse served half of the users has {what}.",
        partial(_lorenz, utilities),
        caption=f"What the worst served users have together. The further the curve sags below the "
        f"dashed line, the less equal they are.{negative}",
    )


def _curve_pictures(run: Run, curves: Curves) -> list[Picture]:
    latest = f"{count(curves.transitions[-1], 'transition')} per policy"
    return [
        Picture(
            "learning_curve",
            "Welfare during training",
            f"Welfare in training, a moving average with sampled actions, reaches "
            f"{number(curves.welfare[-1])} after {latest}.",
            partial(_learning_curve, run, curves),
            caption="Welfare during training. It is a moving average over training episodes with "
            "sampled actions, so it lags behind; the evaluation is apart from it.",
            is_wide=True,
        ),
        _policies_picture(curves, latest),
    ]


def _policies_picture(curves: Curves, latest: str) -> Picture:
    """Return the picture of the users of each policy, and of its entropy if the learner says it."""
    if curves.entropy is None:
        return Picture(
            "policies",
            "Users of each policy during training",
            f"A chart by policy over {latest}: how many users it serves.",
            partial(_policies, curves),
            caption="How many users each policy serves.",
            is_wide=True,
        )
    return Picture(
        "policies",
        "Entropy and users of each policy during training",
        f"Two charts by policy over {latest}: the entropy of its actions, and how many users "
        f"it serves.",
        partial(_policies, curves),
        caption="Above: how much each policy still tries out (entropy of its actions, in "
        "nats). Below: how many users each policy serves.",
        is_wide=True,
    )


def _returns(run: Run, results: Results, order: TableOrder) -> Figure:
    names = 1.0 if len(run.users) <= MAX_USERS_NAMED else 0.4
    row = 0.26 if run.num_policies <= MAX_ROOMY_ROWS else 0.13
    figure, axis = single(6.6, 0.5 + names + max(1.0, row * run.num_policies))
    image = draw_returns(axis, results, run.users, order)
    figure.colorbar(image, ax=axis, label="return", pad=0.015, fraction=0.04)
    return figure


def _utilities(results: Results) -> Figure:
    figure, axis = single(WIDTH, 2.7)
    draw_utilities(axis, results)
    legend_above(figure, columns=1)
    return figure


def _lorenz(utilities: NumpyArray) -> Figure:
    figure, axis = single(4.6, 3.4)
    draw_lorenz(axis, utilities)
    legend_above(figure, columns=1)
    return figure


def _learning_curve(run: Run, curves: Curves) -> Figure:
    figure, axis = single(WIDTH, 3.4)
    reference = None
    if run.results is not None:
        record = run.results.record
        reference = Reference(
            record["welfare"], record["welfare_stderr"], record["optimum"], record["optimum_kind"]
        )
    draw_welfare(axis, curves, reference)
    legend_above(figure, columns=2)
    return figure


def _policies(curves: Curves) -> Figure:
    handles = [policy_handle(policy) for policy in range(curves.users.shape[1])]
    columns = min(5, len(handles))
    legend = 0.2 * -(-len(handles) // columns)
    if curves.entropy is None:
        figure = Figure(figsize=(WIDTH, 2.4 + legend), layout="constrained")
        draw_users(figure.subplots(), curves)
    else:
        figure = Figure(figsize=(WIDTH, 4.4 + legend), layout="constrained")
        upper, lower = figure.subplots(2, 1)
        draw_entropy(upper, curves, curves.entropy)
        draw_users(lower, curves)
    figure.legend(handles=handles, ncols=columns, loc="outside lower center")
    return figure
