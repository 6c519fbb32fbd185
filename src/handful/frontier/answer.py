"""How many policies are needed, in sentences."""

from collections.abc import Callable

from handful._support.text import count
from handful.frontier.points import Estimate, Frontier, Point

ENOUGH = 0.9
"""The share of the best budget's gain that is called nearly all of it."""

Written = Callable[[float], str]
"""A way to write a number."""


def answer(frontier: Frontier, written: Written) -> list[str]:
    """Say in sentences how many policies are needed.

    Args:
        frontier: the frontier.
        written: the way to write a number.

    Returns:
        one sentence or more, the most important first.
    """
    return [*_of_floors(frontier), *_of_welfare(frontier, written)]


def _of_floors(frontier: Frontier) -> list[str]:
    """Say from which number of policies on the floors are met, if there are floors."""
    if not frontier.has_floors:
        return []
    smallest, budgets = frontier.smallest_with_floors, frontier.budgets
    if smallest is None:
        return [
            f"With none of these budgets all floors hold, up to {count(budgets[-1], 'policy')}: "
            f"the reports of the single budgets say who is below."
        ]
    fewer = [budget for budget in budgets if budget < smallest]
    beside = f", and with {fewer[-1]} they do not" if fewer else ""
    return [f"All floors hold with {count(smallest, 'policy')}{beside}."]


def _of_welfare(frontier: Frontier, written: Written) -> list[str]:
    one, best = frontier.one_policy.welfare, max(frontier.points, key=lambda p: p.welfare.value)
    if best.welfare.low <= one.high:
        return [
            "No budget is shown to be worth more than the best single policy for everybody: one "
            "policy is enough for these users, as far as these runs can say."
        ]
    sentences = [_enough(frontier, best)]
    last = frontier.steps[-1] if frontier.steps else None
    if last is not None:
        worth = with_interval(last.per_policy, written)
        sentences.append(
            f"From {last.fewer} to {last.more} policies, one more policy is worth {worth}."
            if last.is_shown
            else f"From {last.fewer} to {last.more} policies, no gain is shown: one more policy is "
            f"worth {worth}."
        )
    share = frontier.share_of_gain(best.num_policies)
    if share is not None:
        sentences.append(
            f"With {best.num_policies}, users have {share:z.0%} of what a policy for each of them "
            f"is estimated to gain."
        )
    return sentences


def _enough(frontier: Frontier, best: Point) -> str:
    """Say which budget gains nearly all that the best one does, or how far the next one falls."""
    gains = {
        point.num_policies: (point.welfare.value - frontier.one_policy.welfare.value)
        / (best.welfare.value - frontier.one_policy.welfare.value)
        for point in frontier.points
    }
    enough = frontier.smallest_enough(ENOUGH)
    if enough < best.num_policies:
        policies = count(enough, "policy").capitalize()
        return (
            f"{policies} {'has' if enough == 1 else 'have'} {gains[enough]:z.0%} of what "
            f"{best.num_policies} gain over one policy for everybody."
        )
    fewer = [budget for budget in frontier.budgets if budget < enough]
    if not fewer:
        return f"Fewer than {count(enough, 'policy')} were not tried."
    return (
        f"All {count(enough, 'policy')} are of use: {fewer[-1]} have {gains[fewer[-1]]:z.0%} of "
        f"what {enough} gain over one policy for everybody."
    )


def with_interval(estimate: Estimate, written: Written) -> str:
    """Write a number with its interval behind it."""
    return f"{written(estimate.value)} ({written(estimate.low)} to {written(estimate.high)})"
