"""The claims of the paper, each held against our numbers by a stated rule."""

from dataclasses import dataclass

from handful.report.study.collection import Collection
from handful.report.study.tables import Table
from studies.paper.endings import as_training_ended
from studies.paper.experiments import CHEETAH, GRID_TASK, MIDDLE, ROBOT_BUDGETS, ROBOTS, WALKED
from studies.paper.judges import (
    Judge,
    alike,
    better_than_variants,
    divides_the_map,
    exceed,
    fastest_together,
    flat,
    groups_explain_more,
    groups_within,
    higher,
    largest_share,
    optimum_is,
    rises,
    serves_all_alike,
    set_equal,
    slow_outside,
)

OURS = ("em", "end-to-end")

SIMILAR, FLAT = 1.0, 5.0
"""Points of welfare within which means count as similar, and as largely unchanged."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        section: of the paper.
        text: what it says.
        rule: when it counts as reproduced.
        judge: holds it against the runs.
        is_of_welfare: whether it is of means of welfare, which may be measured otherwise, too.
    """

    section: str
    text: str
    rule: str
    judge: Judge
    is_of_welfare: bool = False


def claims_table(collection: Collection) -> Table:
    """A row a claim."""
    ended, rows = as_training_ended(collection), []
    for claim in CLAIMS:
        found = claim.judge(collection)
        otherwise = claim.judge(ended).verdict_by_curves(found) if claim.is_of_welfare else "–"
        rows.append(
            [claim.section, claim.text, claim.rule, found.numbers, found.verdict, otherwise]
        )
    return Table(
        "The paper's claims",
        "Numbers are means ± standard errors over seeds. The last column has the verdicts on the "
        "same runs by the moving average of training when it ended.",
        (
            "section",
            "claim",
            "counts as reproduced if",
            "ours",
            "verdict",
            "as training ended",
        ),
        rows,
    )


CLAIMS = (
    Claim(
        "abstract",
        "The algorithms scale: they adapt to larger budgets.",
        "each mean is higher than with the budget before (in brackets; HalfCheetah and Resource "
        "Gathering)",
        rises(OURS, {GRID_TASK: (1, *MIDDLE, 25), CHEETAH: (1, *ROBOT_BUDGETS[:-1])}),
        is_of_welfare=True,
    ),
    Claim(
        "3.3",
        "It is best to perform an E-step as often as possible, before every update.",
        "EM with one before every update ends higher than with one every 5 or 20 (HalfCheetah, "
        "k = 5, 1,000,000 transitions)",
        better_than_variants(CHEETAH, "em", ("e-step-every-5", "e-step-every-20"), 5, 1_000_000),
        is_of_welfare=True,
    ),
    Claim(
        "4.1",
        "With k = 1 all algorithms are the same: there is nothing to assign.",
        f"their means are within {SIMILAR:g} of each other",
        alike(GRID_TASK, (*OURS, "cluster"), (1,), SIMILAR),
        is_of_welfare=True,
    ),
    Claim(
        "4.1",
        "With k = n all algorithms are the same: each user has a policy of their own.",
        "nothing to test: the paper has one result stand for all; ours go by their own rules",
        set_equal(GRID_TASK, (*OURS, "cluster", "random"), 25),
    ),
    Claim(
        "4.1",
        "For k in between, EM and end-to-end perform similarly.",
        f"their means are within {SIMILAR:g} of each other, at every k",
        alike(GRID_TASK, OURS, MIDDLE, SIMILAR),
        is_of_welfare=True,
    ),
    Claim(
        "4.1",
        "The optimum for k = 25 is 93.6.",
        "the exact optimum rounds to it",
        optimum_is(GRID_TASK, 25, 93.6),
    ),
    Claim(
        "4.1",
        "Both exceed 90 with k = 10.",
        "both means do",
        exceed(GRID_TASK, OURS, 10, 90.0),
        is_of_welfare=True,
    ),
    Claim(
        "4.1",
        "Both exceed 85 with k = 3.",
        "both means do",
        exceed(GRID_TASK, OURS, 3, 85.0),
        is_of_welfare=True,
    ),
    Claim(
        "4.1",
        "The policies divide the map: each tile is visited, and walks get shorter (figure 1).",
        "all tiles are, and the mean length falls with k = 1, 2, 3, 5 (EM, one seed)",
        divides_the_map(GRID_TASK, WALKED),
    ),
    Claim(
        "4.1",
        "Clustering stays largely unchanged, whatever k is.",
        f"its means for k = 1 to 10 are within {FLAT:g} of each other",
        flat(GRID_TASK, "cluster", (1, *MIDDLE), FLAT),
        is_of_welfare=True,
    ),
    Claim(
        "4.1",
        "The one policy for all visits every tile, so that all users earn the same.",
        "worst user and mean are the same in every seed (EM, k = 1)",
        serves_all_alike(GRID_TASK, "em"),
    ),
    Claim(
        "4.1",
        "EM and end-to-end are better than clustering.",
        "their means are higher, for k = 2, 3, 5, 10",
        higher(OURS, ("cluster",), (GRID_TASK,), MIDDLE),
        is_of_welfare=True,
    ),
    Claim(
        "4.2",
        "EM and end-to-end outperform the random assignment on all robots.",
        "their means are higher, for k = 2, 5, 10, 50",
        higher(OURS, ("random",), ROBOTS, ROBOT_BUDGETS),
        is_of_welfare=True,
    ),
    Claim(
        "4.2",
        "Clustering improves on the random assignment.",
        "its mean is higher, for k = 2, 5, 10, 50",
        higher(("cluster",), ("random",), ROBOTS, ROBOT_BUDGETS),
        is_of_welfare=True,
    ),
    Claim(
        "4.2",
        "EM and end-to-end outperform clustering, but on Ant.",
        "their means are higher on the three other robots, for k = 2, 5, 10, 50",
        higher(OURS, ("cluster",), ROBOTS[:3], ROBOT_BUDGETS),
        is_of_welfare=True,
    ),
    Claim(
        "4.2",
        "EM and end-to-end tend to group users of similar target velocities (figure 4).",
        "groups explain more of the targets' variance than those of `random` (HalfCheetah, k = 5)",
        groups_explain_more(OURS, "random", (CHEETAH,), "of the variance"),
    ),
    Claim(
        "4.2",
        "Their groups are relatively balanced.",
        "the largest has at most 40 % of the users (HalfCheetah, k = 5)",
        groups_within(CHEETAH, OURS, largest_share, "of all users", 0.0, 0.4),
    ),
    Claim(
        "4.2",
        "End-to-end does not give the fastest users to any single policy.",
        "of the fastest tenth, at most 80 % share a policy (HalfCheetah, k = 5)",
        groups_within(CHEETAH, ("end-to-end",), fastest_together, "of the fastest tenth", 0.0, 0.8),
    ),
    Claim(
        "4.2",
        "Clustering lumps the majority into one group.",
        "the largest has more than half of the users (HalfCheetah, k = 5)",
        groups_within(CHEETAH, ("cluster",), largest_share, "of all users", 0.5, 1.0),
    ),
    Claim(
        "4.2",
        "What clustering does set apart are users with low target velocities.",
        "most users outside the largest group want less than the median (HalfCheetah, k = 5)",
        groups_within(CHEETAH, ("cluster",), slow_outside, "of those outside it", 0.5, 1.0),
    ),
    Claim(
        "C",
        "On the other robots, too, EM and end-to-end divide the velocities better (figure 5).",
        "groups explain more of the targets' variance than those of `cluster` (k = 5)",
        groups_explain_more(OURS, "cluster", ROBOTS[1:], "of the variance"),
    ),
)
