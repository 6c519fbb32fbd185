"""The command ``handful frontier``."""

from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

from handful._support.text import count
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

    unit_worth: float | None = None
    """What one unit of welfare is worth in money: then it is said which budget is worth most, less
    what its policies cost."""

    policy_cost: float | None = None
    """What each policy costs, with --unit-worth and where there are no --costs."""

    picture: Path | None = None
    """An SVG file for the picture; a PNG file is written beside it."""

    def run(self) -> None:
        """Choose for every budget, print, and draw."""
        from handful.choice.frontier import frontier

        if bool(self.budgets) != (self.costs is not None):
            raise HandfulError("Amounts of money and costs belong together: --budgets and --costs.")
        if self.policy_cost is not None and (self.unit_worth is None or self.costs is not None):
            raise HandfulError(
                "--policy-cost says what each policy costs where there is no table of costs, and "
                "needs what a unit of welfare is worth: give --unit-worth, and no --costs."
            )
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
            record = found.record()
            if self.unit_worth is not None:
                for name, one in record["welfares"].items():
                    one["net_worth"] = list(self._net_worth(found, name))
            print_json(record | {"policies": list(table.policies)})
        else:
            show(*_lines(found))
            if self.unit_worth is not None:
                show(*(self._most_worth(found, name) for name in found.selections))

    def _net_worth(self, found: "PoolFrontier", name: str) -> tuple[float | None, ...]:
        return found.net_worth(name, self.unit_worth or 0.0, self.policy_cost or 0.0)

    def _most_worth(self, found: "PoolFrontier", name: str) -> str:
        """Say which budget is worth most, and what the next one would add."""
        net = [(nan if one is None else one) for one in self._net_worth(found, name)]
        if all(isnan(one) for one in net):
            return f"{name}: no budget meets the floors"
        best = max((i for i, one in enumerate(net) if not isnan(one)), key=lambda i: net[i])
        what = f"a budget of {found.budgets[best]:g}"
        if not found.is_money:
            what = count(int(found.budgets[best]), "policy")
        said = f"{name}: worth most is {what}, {net[best]:.6g} less the cost"
        if best + 1 < len(net) and not isnan(net[best + 1]):
            said += f"; the next budget adds {net[best + 1] - net[best]:+.4g}"
        return said


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
    for name in names:
        lost = [one for one in found.price_of_fairness(name) if one is not None and one > 1e-9]
        if lost:
            lines.append(f"{name}: the mean loses up to {max(lost):.4g} beside the choice for it")
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
