"""The command ``handful choose``."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful._support.text import count
from handful.cli.output import print_json, show
from handful.cli.pool_options import PoolOptions
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.choice.choose import Selection
    from handful.choice.robust import RobustSelection
    from handful.choice.table import ReturnsTable


@dataclass
class Choose(PoolOptions):
    """Choose the best few policies of a table of returns, with a proven bound."""

    policies: tuple[int, ...] = ()
    """How many policies may be chosen; several (--policies 1 2 5) for a table."""

    budget: float | None = None
    """How much money there is for policies, with --costs and in place of --policies."""

    welfare: str = "utilitarian"
    """The welfare function: utilitarian, nash, egalitarian, power:-2, gini, cvar:0.1,
    groups:egalitarian, portfolio, or module:function."""

    standard_errors: Path | None = None
    """The standard errors of the returns, as CSV laid out as the table of returns is. They say what
    the choice is worth without luck, its interval, and how often another measurement would change
    it."""

    draws: int = 100
    """How many further measurements to draw, with --standard-errors."""

    def run(self) -> None:
        """Choose and print."""
        from handful.choice.choose import choose
        from handful.choice.infeasible import FloorsNotMet
        from handful.choice.robust import choose_robustly
        from handful.choice.table import read_errors

        if bool(self.policies) == (self.budget is not None):
            raise HandfulError("Give either --policies 5, or --budget 100 with --costs FILE.")
        table = self.read()
        settings: dict[str, Any] = {**self.settings(table), "welfare": self.welfare}
        numbers = sorted(set(self.policies)) or [None]
        made: list[RobustSelection] = []
        try:
            if self.standard_errors is None:
                found = [choose(table.returns, k, budget=self.budget, **settings) for k in numbers]
            else:
                users = self.rows == "users" or bool(table.columns)
                settings["standard_errors"] = read_errors(
                    self.standard_errors, table, rows_are_users=users
                )
                settings["draws"] = self.draws
                made = [
                    choose_robustly(table.returns, k, budget=self.budget, **settings)
                    for k in numbers
                ]
                found = [one.selection for one in made]
        except FloorsNotMet as error:
            raise HandfulError(error.sentence(table.users)) from None
        if self.json:
            records = [record_of(one, table) for one in found]
            for record, one in zip(records, made, strict=False):
                record["mended"] = _mended(one, table)
            print_json(records[0] if len(records) == 1 else records)
        elif len(found) == 1:
            show(*_lines(found[0], table), *(line for one in made for line in _sure(one, table)))
        else:
            show(*_rows(found, sorted(set(self.policies)), table))
            for k, one in zip(numbers, made, strict=False):
                show(f"with {count(k or 0, 'policy')}: {_sure(one, table)[0]}")


def record_of(found: "Selection", table: "ReturnsTable") -> dict[str, Any]:
    """Return a choice with names, in the types that JSON has."""
    names = _named(found, table)
    record = found.record()
    record["policies"] = [table.policies[row] for row in found.policies]
    if len(found.assignment) == len(table.users):
        record["assignment"] = dict(zip(table.users, names, strict=True))
        record["utilities"] = dict(zip(table.users, found.utilities.tolist(), strict=True))
    return record


def _mended(made: "RobustSelection", table: "ReturnsTable") -> dict[str, Any]:
    """Return how sure a choice is, with names."""
    record = made.record()["mended"]
    for name in ("utilities", "stderrs"):
        record[name] = dict(zip(table.users, record[name], strict=True))
    record["chosen_again"] = dict(zip(table.policies, record["chosen_again"], strict=True))
    return record


def _sure(made: "RobustSelection", table: "ReturnsTable") -> list[str]:
    """Say how sure a choice is."""
    lines = [
        f"without the luck of the choice {made.welfare:.6g}, {100 * made.level:g} % interval "
        f"{made.low:.6g} to {made.high:.6g}; the same policies in {100 * made.unchanged:.0f} % of "
        f"{count(made.draws, 'further measurement')}"
    ]
    again = made.chosen_again
    for row in made.selection.policies:
        lines.append(f"policy {table.policies[row]} is chosen again in {100 * again[row]:.0f} %")
    others = [row for row in (-again).argsort() if row not in made.selection.policies][:3]
    instead = [f"{table.policies[row]} ({100 * again[row]:.0f} %)" for row in others if again[row]]
    if instead:
        lines.append(f"chosen instead most often: {', '.join(instead)}")
    if made.floors_hold is not None:
        lines.append(f"all floors hold with a chance of {100 * made.floors_hold:.0f} %")
    return lines


def _named(found: "Selection", table: "ReturnsTable") -> list[str | None]:
    return [None if row < 0 else table.policies[row] for row in found.assignment]


def _lines(found: "Selection", table: "ReturnsTable") -> list[str]:
    """Describe one choice in a few lines."""
    proof = "proven" if found.is_proven else f"at most {found.upper_bound:.6g} for any choice"
    lines = [
        f"welfare ({found.welfare_function}) {found.welfare:.6g}, {proof}; "
        f"mean {found.mean:.6g}, worst served {found.utilities.min():.6g}"
    ]
    if not len(found.policies):
        lines.append("no policy is better for anybody than what they have")
    is_portfolio = len(found.assignment) != len(table.users)
    served = Counter(found.assignment.tolist())
    for row in found.policies:
        what = "welfare function" if is_portfolio else "user"
        lines.append(f"policy {table.policies[row]} serves {count(served[int(row)], what)}")
    if found.num_unserved:
        lines.append(f"no policy fits {count(found.num_unserved, 'user')}, who keep what they have")
    lines += [f"group {name}: mean {mean:.6g}" for name, mean in found.group_means.items()]
    return lines


def _rows(found: list["Selection"], budgets: list[int], table: "ReturnsTable") -> list[str]:
    """Make a line for each number of policies."""
    lines = [
        f"{'policies':>8}  {'welfare':>10}  {'bound':>10}  {'mean':>10}  {'worst':>10}  chosen"
    ]
    for budget, one in zip(budgets, found, strict=True):
        chosen = ", ".join(table.policies[row] for row in one.policies)
        lines.append(
            f"{budget:8}  {one.welfare:10.6g}  {one.upper_bound:10.6g}  {one.mean:10.6g}  "
            f"{one.utilities.min():10.6g}  {chosen}"
        )
    return lines
