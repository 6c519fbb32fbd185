"""The command ``handful choose``."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handful._support.text import count
from handful.cli.output import print_json, show
from handful.cli.pool_options import PoolOptions
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.choice.choose import Selection
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

    def run(self) -> None:
        """Choose and print."""
        from handful.choice.choose import choose
        from handful.choice.infeasible import FloorsNotMet

        if bool(self.policies) == (self.budget is not None):
            raise HandfulError("Give either --policies 5, or --budget 100 with --costs FILE.")
        table = self.read()
        settings: dict[str, Any] = {**self.settings(table), "welfare": self.welfare}
        try:
            if self.budget is not None:
                found = [choose(table.returns, budget=self.budget, **settings)]
            else:
                found = [choose(table.returns, k, **settings) for k in sorted(set(self.policies))]
        except FloorsNotMet as error:
            raise HandfulError(error.sentence(table.users)) from None
        if self.json:
            records = [record_of(one, table) for one in found]
            print_json(records[0] if len(records) == 1 else records)
        elif len(found) == 1:
            show(*_lines(found[0], table))
        else:
            show(*_rows(found, sorted(set(self.policies)), table))


def record_of(found: "Selection", table: "ReturnsTable") -> dict[str, Any]:
    """Return a choice with names, in the types that JSON has."""
    names = _named(found, table)
    record = found.record()
    record["policies"] = [table.policies[row] for row in found.policies]
    if len(found.assignment) == len(table.users):
        record["assignment"] = dict(zip(table.users, names, strict=True))
        record["utilities"] = dict(zip(table.users, found.utilities.tolist(), strict=True))
    return record


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
