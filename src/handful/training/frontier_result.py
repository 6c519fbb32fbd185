"""The result of training for several budgets at once: a run for each, and their frontier."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from handful._support.text import count
from handful.errors import HandfulError
from handful.evaluation.frontier import measure_frontier
from handful.evaluation.gap import measure_gap
from handful.evaluation.played import Played
from handful.evaluation.returns import Evaluation
from handful.frontier.folder import FrontierFolder
from handful.frontier.points import Frontier, Level, Point, Step
from handful.learner.builders import Network
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.training.loop import resume
from handful.training.records.run_reader import digest_of_population
from handful.training.result import TrainResult
from handful.welfare import UTILITARIAN, find_welfare

COLUMNS = (
    "policies",
    "welfare",
    "welfare_stderr",
    "welfare_low",
    "welfare_high",
    "gain_per_policy",
    "gain_per_policy_stderr",
    "gain_per_policy_low",
    "gain_per_policy_high",
    "share_of_gain",
    "optimum",
    "optimum_kind",
    "floors_hold",
    "spare_policies",
    "transitions",
)
"""The columns of ``frontier.csv``."""


class FrontierResult:
    """What training for several budgets gave: ``result[5]`` is the result with five policies.

    Iterating over it gives the budgets, ascending. Of a frontier that was read from a folder, each
    result is read when it is first asked for.

    Attributes:
        frontier: the welfare at every budget with its interval, the worth of one more policy, the
            best single policy, and the ceiling.
        folder: the folder in which the budgets' runs are kept, or None.
        transitions: the transitions of training that all budgets took together, with those of
            candidates and without validation; None if it is not known.
    """

    def __init__(
        self,
        frontier: Frontier,
        results: Mapping[int, TrainResult] | None = None,
        folder: Path | None = None,
        transitions: int | None = None,
        *,
        problem: RMDP | None = None,
        network: Network | None = None,
        trust: bool = False,
    ) -> None:
        self.frontier = frontier
        self.folder = folder
        self.transitions = transitions
        self._results = dict(results or {})
        self._opened: dict[str, Any] = {"problem": problem, "network": network, "trust": trust}

    def __getitem__(self, num_policies: int) -> TrainResult:
        """Give the result of a budget; it is read from its folder if it is not in memory.

        Raises:
            HandfulError: if the frontier does not have the budget, or its folder cannot be read.
        """
        if num_policies not in self:
            raise HandfulError(
                f"The frontier has no budget of {num_policies!r}: it has "
                f"{', '.join(map(str, self.budgets))}."
            )
        if num_policies not in self._results:
            assert self.folder is not None
            path = FrontierFolder(self.folder).run(num_policies)
            if not RunFolder(path).is_finished:
                raise HandfulError(
                    f"The run of {count(num_policies, 'policy')} is not in '{path}': put it back."
                )
            self._results[num_policies] = resume(path, progress=False, **self._opened)
        return self._results[num_policies]

    def __contains__(self, num_policies: object) -> bool:
        return num_policies in self.budgets

    def __iter__(self) -> Iterator[int]:
        return iter(self.budgets)

    def __len__(self) -> int:
        return len(self.budgets)

    def __repr__(self) -> str:
        """Show the welfare at every budget, and keep private what single users get."""
        welfare = ", ".join(f"{p.num_policies}: {p.welfare!r}" for p in self.frontier.points)
        kept = "not kept" if self.folder is None else f"kept in {str(self.folder)!r}"
        return f"FrontierResult(welfare by policies {{{welfare}}}, {kept})"

    @property
    def budgets(self) -> tuple[int, ...]:
        """The budgets, ascending."""
        return self.frontier.budgets

    @property
    def points(self) -> tuple[Point, ...]:
        """What each budget is worth, by ascending budget."""
        return self.frontier.points

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the policies from each budget to the next are worth."""
        return self.frontier.steps

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a row for each budget, as ``frontier.csv`` has it.

        A table of any package follows: ``polars.DataFrame(result.to_rows())`` or
        ``pandas.DataFrame(result.to_rows())``.

        Returns:
            the rows, by ascending budget; what is not known is None.
        """
        gains = {step.more: step.per_policy for step in self.steps}
        rows = []
        for point in self.points:
            gain, welfare = gains.get(point.num_policies), point.welfare
            rows.append(
                {
                    "policies": point.num_policies,
                    "welfare": welfare.value,
                    "welfare_stderr": welfare.stderr,
                    "welfare_low": welfare.low,
                    "welfare_high": welfare.high,
                    "gain_per_policy": None if gain is None else gain.value,
                    "gain_per_policy_stderr": None if gain is None else gain.stderr,
                    "gain_per_policy_low": None if gain is None else gain.low,
                    "gain_per_policy_high": None if gain is None else gain.high,
                    "share_of_gain": self.frontier.share_of_gain(point.num_policies),
                    "optimum": point.optimum,
                    "optimum_kind": point.optimum_kind,
                    "floors_hold": point.floors_hold,
                    "spare_policies": len(point.spare),
                    "transitions": point.transitions,
                }
            )
        return rows


def make_frontier(
    results: Sequence[TrainResult],
    *,
    candidates: Played | None = None,
    transitions: int | None = None,
    out: str | Path | None = None,
) -> FrontierResult:
    """Make the frontier of results with different budgets, and write it if it is to be kept.

    Args:
        results: the results, one for each budget, of the same problem and evaluation seed.
        candidates: what every user earned from each of the policies that were chosen from.
        transitions: the transitions of the results' training together.
        out: the folder of the frontier, in which each result was trained into the folder that
            :meth:`~handful.frontier.folder.FrontierFolder.run` names; None keeps nothing.

    Returns:
        The results with their frontier.

    Raises:
        HandfulError: if the results cannot be compared, or one was not trained into its folder.
        OSError: if a file cannot be written.
    """
    ordered = sorted(results, key=lambda result: result.policies.num_policies)
    problem = ordered[0].problem
    evaluations: list[Evaluation] = [result.evaluation for result in ordered]
    if len({digest_of_population(result.problem.population) for result in ordered}) > 1:
        raise HandfulError(
            "The results of a frontier must be of the same problem, and these have other users "
            "or other rewards: train them with one problem."
        )
    welfare = evaluations[0].welfare_function
    claims = ordered[0].config.claims
    function = claims.bind(find_welfare(welfare))
    frontier = measure_frontier(evaluations, function, candidates, claims.options)
    if claims.floors:
        frontier = _with_floors(frontier, ordered)
    folder = None if out is None else FrontierFolder(Path(out).absolute())
    if folder is not None:
        _check_places(folder, ordered)
        frontier = _with_records(frontier, folder)
        if welfare == UTILITARIAN:  # solvers know the best possible mean only
            frontier = replace(frontier, ceiling=_with_optimum(frontier.ceiling, problem))
    by_budget = {result.policies.num_policies: result for result in ordered}
    made = FrontierResult(frontier, by_budget, None if folder is None else folder.path, transitions)
    if folder is not None:
        record = {
            "problem": problem.name,
            "method": ordered[0].config.method,
            "num_users": problem.num_users,
            "transitions": transitions,
            "frontier": frontier.to_dict(),
        }
        rows = (
            ["" if row[name] is None else row[name] for name in COLUMNS] for row in made.to_rows()
        )
        folder.write(record, COLUMNS, rows)
    return made


def read_frontier(
    path: str | Path,
    problem: RMDP | None = None,
    *,
    network: Network | None = None,
    trust: bool = False,
) -> FrontierResult:
    """Read the frontier that training for several budgets has left in a folder.

    Nothing is trained and no episode is played. The results of single budgets are read when they
    are asked for.

    Args:
        path: the folder of the frontier.
        problem: the problem, needed only if it has no name to make it by.
        network: the network of the runs, as in :func:`handful.resume`.
        trust: whether code that the folder names may be run, as in :func:`handful.resume`.

    Returns:
        The frontier and its results.

    Raises:
        HandfulError: if there is no frontier in the folder, or a file of it was changed.
    """
    folder = FrontierFolder(path)
    frontier, record = folder.read()
    return FrontierResult(
        frontier,
        None,
        folder.path,
        record["transitions"],
        problem=problem,
        network=network,
        trust=trust,
    )


def _check_places(folder: FrontierFolder, results: Sequence[TrainResult]) -> None:
    """Raise HandfulError unless each result was trained into its place in the frontier's folder."""
    for result in results:
        place = folder.run(result.policies.num_policies)
        if result.folder is None or result.folder.resolve() != place.resolve():
            kept = "not kept" if result.folder is None else f"kept in '{result.folder}'"
            raise HandfulError(
                f"A frontier in '{folder.path}' needs the run of "
                f"{count(result.policies.num_policies, 'policy')} in '{place}', and it is {kept}."
            )


def _with_floors(frontier: Frontier, results: Sequence[TrainResult]) -> Frontier:
    """Add to the points whether all floors hold, from the results by ascending budget."""
    points = [
        replace(point, floors_hold=result.holds)
        for point, result in zip(frontier.points, results, strict=True)
    ]
    return replace(frontier, points=tuple(points))


def _with_records(frontier: Frontier, folder: FrontierFolder) -> Frontier:
    """Add to the points what the run folders of the budgets know besides."""
    points = []
    for point in frontier.points:
        record = RunFolder(folder.run(point.num_policies)).read_evaluation()
        per_policy = record["transitions"] + record["validation_transitions"]
        points.append(
            replace(
                point,
                transitions=point.num_policies * per_policy,
                optimum=record["optimum"],
                optimum_kind=record["optimum_kind"],
            )
        )
    return replace(frontier, points=tuple(points))


def _with_optimum(ceiling: Level, problem: RMDP) -> Level:
    """Add to the ceiling what a policy for each user can earn at most, where a solver knows it."""
    gap = measure_gap(problem, problem.num_users, ceiling.welfare.value)
    if gap is None:
        return ceiling
    return replace(ceiling, optimum=gap.optimum.welfare, optimum_kind=gap.optimum.kind)
