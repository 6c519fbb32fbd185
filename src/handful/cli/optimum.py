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

    welfare: str = "utilitarian"
    """The welfare function: utilitarian, nash@-10, egalitarian, power:-2, gini, cvar:0.1,
    groups:egalitarian, or module:function for a concave one of your own."""

    group: str | None = None
    """The attribute of the users that names their group, for --group-floor and groups:..."""

    weight: str | None = None
    """The attribute of the users that says how much each of them counts."""

    outside: str | None = None
    """What users get without us: a number, or the attribute that says it."""

    floor: float | None = None
    """What every user must get at least."""

    group_floor: float | None = None
    """What the mean of every group must be at least."""

    seconds: float = 60.0
    """About how many seconds to look for each proof, if it is not of the mean alone."""

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
        from handful.choice.infeasible import FloorsNotMet
        from handful.evaluation.gap import check_request, optimum
        from handful.exact.bound import Optimum
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
        settings = self._settings()
        check_request(problem, **settings)
        found: list[Optimum | Impossible] = []
        for num_policies in self.policies:
            try:
                best = optimum(problem, num_policies, seconds=self.seconds, **settings)
                found.append(best)
            except FloorsNotMet as error:
                sentence = error.sentence(problem.population.user_ids)
                found.append(Impossible(num_policies, sentence, error.smallest))
        if all(isinstance(one, Impossible) for one in found):
            raise HandfulError(found[-1].explanation)
        if self.json:
            results = [best.to_dict() for best in found]
            print_json(results[0] if len(results) == 1 else results)
        elif isinstance(found[0], Optimum) and len(found) == 1:
            show(*_lines(found[0]))
        else:
            show(*_table(found))

    def _settings(self) -> dict[str, Any]:
        """Return what :func:`handful.optimum` takes besides the problem and the budget."""
        from handful.choice.floors import Floor

        floors = []
        if self.floor is not None:
            floors.append(Floor(self.floor))
        if self.group_floor is not None:
            floors.append(Floor(self.group_floor, "groups"))
        return {
            "welfare": self.welfare,
            "floors": floors or None,
            "groups": self.group,
            "weights": self.weight,
            "outside": self.outside,
        }


@dataclass(frozen=True)
class Impossible:
    """A number of policies that cannot meet the floors.

    Attributes:
        num_policies: the budget k.
        explanation: the sentence that says why.
        smallest: the smallest number that meets them, if it is known.
    """

    num_policies: int
    explanation: str
    smallest: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {**vars(self), "kind": "impossible"}


def _table(found: Sequence["Optimum | Impossible"]) -> list[str]:
    """Make a line for each budget: the best welfare, and how much it gains on the line before."""
    lines = [f"{'policies':>8}  {'welfare':>9}  {'gained':>9}  kind"]
    before = None
    for best in found:
        if isinstance(best, Impossible):
            lines.append(f"{best.num_policies:8}  {best.explanation}")
            continue
        gained = "" if before is None else f"{best.welfare - before:+.4f}"
        line = f"{best.num_policies:8}  {best.welfare:9.4f}  {gained:>9}  {best.kind}"
        before = best.welfare
        if best.welfare_function != "utilitarian":
            line += _beside(best)
        lines.append(line)
    return lines


def _beside(best: "Optimum") -> str:
    """Say what was found beside a bound, and what deterministic policies alone can reach."""
    parts = []
    if best.kind == "upper bound" and best.attained is not None:
        parts.append(f"found {best.attained:.4f}")
    if best.deterministic is not None:
        parts.append(f"deterministic {best.deterministic:.4f}")
    return f" ({', '.join(parts)})" if parts else ""


def _lines(best: "Optimum") -> list[str]:
    named = "" if best.welfare_function == "utilitarian" else f" ({best.welfare_function})"
    lines = [
        f"{best.kind}: welfare{named} {best.welfare:.4f} with {count(best.num_policies, 'policy')}",
    ]
    if best.kind == "upper bound" and best.attained is not None:
        lines.append(f"found: welfare {best.attained:.4f}")
    if best.deterministic is not None:
        lines.append(f"deterministic policies alone: welfare {best.deterministic:.4f}")
    lines += [
        best.explanation,
    ]
    # If the lowest possible return is 0, a user with the return 0 is served by no policy.
    earns = ((best.returns.max(axis=0) > 0) | (best.returns.min() < 0)) & (best.assignment >= 0)
    for policy, certificate in enumerate(best.certificate):
        served = int((earns & (best.assignment == policy)).sum())
        if best.unit:
            proof = ", ".join(f"{number:.4f} {best.unit}" for number in certificate)
        elif best.chances is not None and best.chances[policy]:
            parts = zip(best.chances[policy], certificate, strict=True)
            drawn = "; ".join(f"{chance:.1%} {_shortened(actions)}" for chance, actions in parts)
            proof = f"draws {drawn}"
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
