"""The command ``handful frontier``."""

from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from handful.cli.output import print_json, show
from handful.cli.pool_options import PoolOptions
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.choice.frontier import PoolFrontier


@dataclass
class FrontierCommand(PoolOptions):
    """Say what each number of policies of a table is worth, under several welfare functions."""

    policies: tuple[int, ...] = ()
    """The numbers of policies; 1 to 10, or to as many as there are, if they are not given."""

    budgets: tuple[float, ...] = ()
    """Amounts of money, with --costs and in place of --policies."""

    welfare: tuple[str, ...] = ("utilitarian", "nash", "cvar:0.1", "egalitarian")
    """The welfare functions, as 'handful choose' takes them."""

    picture: Path | None = None
    """An SVG file for the picture; a PNG file is written beside it."""

    def run(self) -> None:
        """Choose for every budget, print, and draw."""
        from handful.choice.frontier import frontier

        if bool(self.budgets) != (self.costs is not None):
            raise HandfulError("Amounts of money and costs belong together: --budgets and --costs.")
        if self.picture is not None and self.picture.suffix != ".svg":
            raise HandfulError("The picture is an SVG file: give it a name that ends in .svg.")
        table = self.read()
        usual = range(1, min(10, len(table.policies)) + 1)
        found = frontier(
            table.returns,
            self.budgets or self.policies or usual,
            welfares=self.welfare,
            **self.settings(table),
        )
        if self.picture is not None:
            _draw(self.picture, found)
        if self.json:
            print_json(found.record() | {"policies": list(table.policies)})
        else:
            show(*_lines(found))


def _lines(found: "PoolFrontier") -> list[str]:
    """Make a line for each budget, with every welfare and what one more adds to it."""
    unit = "money" if found.is_money else "policies"
    names = list(found.selections)
    lines = [f"{unit:>8}" + "".join(f"  {name:>18}  {'one more':>9}" for name in names)]
    worth = {name: found.marginal_worth(name) for name in names}
    is_open = False
    for i, budget in enumerate(found.budgets):
        line = f"{budget:8g}"
        for name in names:
            one, more = found.selections[name][i], worth[name][i]
            value = "no choice" if one is None else f"{one.welfare:.6g}"
            if one is not None and not one.is_proven:
                value, is_open = f"{value} (+{one.gap:.2g})", True
            line += f"  {value:>18}  {'' if more is None else f'{more:+.4g}':>9}"
        lines.append(line)
    lines.append(f"{'all':>8}" + "".join(f"  {found.ceilings[n]:18.6g}  {'':>9}" for n in names))
    if is_open:
        lines.append("(+...) is how much better another choice could be at most")
    if any(None in chosen for chosen in found.selections.values()):
        needed = found.floors_from
        lines.append(
            "not even the whole pool meets the floors"
            if needed is None
            else f"the floors are met from {needed:g} {unit} on"
        )
    return lines


def _draw(path: Path, found: "PoolFrontier") -> None:
    """Write the picture."""
    from handful.report.plots.pool_frontier import Curve, write_pool_frontier

    curves = {
        name: Curve(
            [nan if one is None else one.welfare for one in chosen],
            [nan if one is None or one.is_proven else one.upper_bound for one in chosen],
            [nan if worth is None else worth for worth in found.marginal_worth(name)],
            found.ceilings[name],
        )
        for name, chosen in found.selections.items()
    }
    unit = "money" if found.is_money else "policies"
    write_pool_frontier(path, found.budgets, curves, unit=unit, floors_from=found.floors_from)
