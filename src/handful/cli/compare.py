"""The command ``handful compare``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from handful._support.text import count
from handful.cli.output import print_json, show

if TYPE_CHECKING:
    from handful.service import Comparison

SHOWN = 10
"""The most users who are listed by name."""


@dataclass
class Compare:
    """Say what a second run or bundle changes for the users of a first, without playing."""

    before: tyro.conf.Positional[Path]
    """The folder of the first run, which is finished, or a bundle."""

    after: tyro.conf.Positional[Path]
    """The same for the second."""

    margin: float | None = None
    """The loss of welfare, in the unit of returns, that counts as none; by default one hundredth of
    the first run's welfare."""

    confidence: float = 0.95
    """The confidence of the intervals."""

    json: bool = False
    """Print the comparison as JSON, with every user."""

    def run(self) -> None:
        """Compare and print."""
        from handful.training.records.services import compare

        found = compare(self.before, self.after, margin=self.margin, confidence=self.confidence)
        if self.json:
            print_json(found.record())
        else:
            show(comparison_summary(found))


def comparison_summary(found: "Comparison") -> str:
    """Describe a comparison in a few lines.

    Args:
        found: the comparison.

    Returns:
        the lines, joined.
    """
    low, high = found.interval
    record = found.record()
    changed = [str(k) for k, source in enumerate(found.sources) if source is None]
    which = f"new or changed: {', '.join(changed)}" if changed else "all as they were"
    pairs = "episode by episode" if found.is_paired else "from separate episodes"
    lines = [
        f"policies: {which} (of {found.after.num_policies})",
        f"welfare {found.welfare_before:.2f} -> {found.welfare_after:.2f}, difference "
        f"{found.welfare_difference:+.2f} ({found.confidence:.0%} interval {low:+.2f} to "
        f"{high:+.2f}, {pairs})",
        f"verdict: {found.verdict}, with a margin of {found.margin:.2f}",
        f"{count(len(found.users), 'user')} of both: {record['num_moved']} moved to another, "
        f"{record['num_replaced']} whose policy is no longer there, "
        f"{record['num_gainers']} gain and {record['num_losers']} lose beyond chance",
    ]
    if found.new_users or found.gone_users:
        lines.append(
            f"{count(len(found.new_users), 'new user')}, {len(found.gone_users)} no longer there"
        )
    if found.num_changed_wishes:
        lines.append(f"{count(found.num_changed_wishes, 'user')} with other wishes than before")
    intervals = found.intervals
    for row in found.losers[:SHOWN]:
        low, high = intervals[row]
        lines.append(
            f"  loses: {found.users[row]}, policy {found.old_policy[row]} -> "
            f"{found.new_policy[row]}, {found.difference[row]:+.2f} ({low:+.2f} to {high:+.2f})"
        )
    if len(found.losers) > SHOWN:
        lines.append(f"  and {len(found.losers) - SHOWN} more, with --json")
    return "\n".join(lines)
