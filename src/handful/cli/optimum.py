"""The command ``handful optimum``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from handful._support.text import count
from handful.cli.output import print_json, show
from handful.cli.settings import Section, given
from handful.cli.tasks import task_section
from handful.cli.users import chosen_users
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.exact.bound import Optimum

MOST_NUMBERS = 100
"""The most numbers of a policy's certificate that are printed."""

DEFAULT_SEED = 0
"""The seed of the draw of the users if none is given; it is the default seed of a run too."""


@dataclass
class OptimumCommand:
    """Compute the highest welfare of any k policies, or an upper bound, with its proof."""

    task: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="TASK")]]
    """The task's name; see 'handful tasks'. 'handful optimum TASK --help' also lists its
    parameters."""

    policies: tuple[int, ...]
    """The budget k; with several (--policies 1 2 5) a table of what a larger one would bring."""

    users: int | None = None
    """How many users to sample, if the task samples them."""

    seed: int | None = None
    """The seed of the draw of the users; 0 if not given. A run draws them with its own seed."""

    population: Path | None = None
    """The users themselves: a CSV or Parquet file, one row a user; the task says which columns."""

    json: bool = False
    """Print the result as JSON; with several budgets it is a list, in their order."""

    @classmethod
    def sections(cls, arguments: Sequence[str]) -> list[Section]:
        """Return the parameters of the task that the arguments name.

        Raises:
            HandfulError: if there is no such task.
        """
        return task_section(arguments)

    def run(self) -> None:
        """Solve and print."""
        from handful.evaluation.gap import optimum
        from handful.problem import make, run_parameters

        if not self.policies:
            raise HandfulError("Give a number of policies, as in --policies 5, or several.")
        parameters = run_parameters(
            self.task,
            DEFAULT_SEED,
            given(self, "param"),
            chosen_users(self.users, self.seed, self.population),
        )
        problem = make(self.task, **parameters)
        for num_policies in self.policies:  # all of them, before the first takes its minutes
            problem.check_budget(num_policies)
        found = [optimum(problem, num_policies) for num_policies in self.policies]
        if self.json:
            results = [best.to_dict() for best in found]
            print_json(results[0] if len(results) == 1 else results)
        elif len(found) == 1:
            show(*_lines(found[0]))
        else:
            show(*_table(found))


def _table(found: Sequence["Optimum"]) -> list[str]:
    """Make a line for each budget: the best welfare, and how much it gains on the line before."""
    lines = [f"{'policies':>8}  {'welfare':>9}  {'gained':>9}  kind"]
    before = None
    for best in found:
        gained = "" if before is None else f"{best.welfare - before:+.4f}"
        lines.append(f"{best.num_policies:8}  {best.welfare:9.4f}  {gained:>9}  {best.kind}")
        before = best.welfare
    return lines


def _lines(best: "Optimum") -> list[str]:
    lines = [
        f"{best.kind}: welfare {best.welfare:.4f} with {count(best.num_policies, 'policy')}",
    ]
    if best.kind == "upper bound" and best.attained is not None:
        lines.append(f"found: welfare {best.attained:.4f}")
    lines += [
        best.explanation,
    ]
    # If the lowest possible return is 0, a user with the return 0 is served by no policy.
    earns = (best.returns.max(axis=0) > 0) | (best.returns.min() < 0)
    for policy, certificate in enumerate(best.certificate):
        served = int((earns & (best.assignment == policy)).sum())
        if best.unit:
            proof = ", ".join(f"{number:.4f} {best.unit}" for number in certificate)
        else:
            proof = _shortened(certificate)
        lines.append(f"policy {policy} serves {count(served, 'user')}: {proof}")
    if not earns.all():
        lines.append(f"nobody serves {count((~earns).sum(), 'user')}")
    return lines


def _shortened(certificate: tuple[Any, ...]) -> str:
    if len(certificate) <= MOST_NUMBERS:
        return str(certificate)
    first = ", ".join(str(number) for number in certificate[:8])
    return f"({first}, ...), {len(certificate)} numbers; --json has them all"
