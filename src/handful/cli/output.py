"""What the commands print: a summary for people, JSON for machines.

Every command prints through this module (the linter keeps it so). Names of columns, users and files
come from other people, and a terminal obeys control characters: it would move the cursor, change
its title or hide what stands before them. So they are shown by their codes, as ``\\x1b``.
"""

import json
import sys
from typing import Any

from handful.cli.channel import write_result
from handful.controls import escaped
from handful.words import count


def print_json(values: Any) -> None:
    """One JSON document on standard output, and nothing else there."""
    text = json.dumps(values, allow_nan=False)  # ASCII, and of the control characters only DEL
    write_result(text.replace("\x7f", "\\u007f") + "\n")


def show(*lines: object, end: str = "\n") -> None:
    """Results for people or scripts, on standard output: a line each."""
    print(*(escaped(str(line), one_line=False) for line in lines), sep="\n", end=end)


def say(message: str) -> None:
    """News for people, on standard error, where it does not mix with results."""
    print(escaped(message, one_line=False), file=sys.stderr)


def say_error(sentence: str) -> None:
    """What went wrong, in one line on standard error."""
    print(f"handful: {escaped(sentence)}", file=sys.stderr)


def evaluation_summary(record: dict[str, Any], num_policies: int) -> str:
    """An evaluation in a few lines."""
    lines = [
        f"welfare {record['welfare']:.2f} ± {record['welfare_stderr']:.2f} "
        f"({count(num_policies, 'policy')}, {count(record['num_users'], 'user')}, "
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
    for finding in record.get("findings", []):
        lines.append(f"note: {finding['message']} {finding['advice']}")
    return "\n".join(lines)


def _optimum_name(kind: str) -> str:
    return "exact optimum" if kind == "exact" else kind
