"""What the commands print: a summary for people, JSON for machines."""

import json
import sys
from typing import Any

from handful.words import count


def print_json(values: Any) -> None:
    """One JSON document on standard output, and nothing else there."""
    print(json.dumps(values, allow_nan=False))


def say(message: str) -> None:
    """News for people, on standard error, where it does not mix with results."""
    print(message, file=sys.stderr)


def evaluation_summary(record: dict[str, Any], num_policies: int) -> str:
    """An evaluation in a few lines."""
    lines = [
        f"welfare {record['welfare']:.2f} ± {record['welfare_stderr']:.2f} "
        f"({count(num_policies, 'policy')}, {count(len(record['users']), 'user')}, "
        f"{count(record['num_episodes'], 'evaluation episode')} a policy)"
    ]
    if record["optimum"] is not None:
        best = f"{_optimum_name(record['optimum_kind'])} {record['optimum']:.2f}"
        percent = record["percent_of_optimum"]
        lines.append(best if percent is None else f"{percent:.1f} % of the {best}")
    lines.append(
        f"sampled actions {record['stochastic']['welfare']:.2f}, "
        f"reassigned by other episodes {record['reassigned_welfare']:.2f}, "
        f"worst served {record['worst_user']} with {record['worst_user_return']:.2f}"
    )
    return "\n".join(lines)


def _optimum_name(kind: str) -> str:
    return "exact optimum" if kind == "exact" else kind
