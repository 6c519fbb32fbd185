"""What a run ends with: its policies, who gets which, and how good they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handful.evaluation.returns import Evaluation, users_per_policy
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.training.fairness.floor_records import FloorRecord
from handful.training.records.release import save_result
from handful.training.watching.findings import Finding
from handful.types import NumpyArray


@dataclass(frozen=True)
class TrainResult:
    """Trained policies, the assignment of users to them, and their quality.

    Attributes:
        problem: the problem that the policies were trained on.
        config: the settings of the run.
        policies: the ``K`` policies; ``policies.act(observation, policy=2)``.
        assignment: the policy of each user, [N]; -1 for a user whom no policy fits.
        shares: the final distribution of each user over policies, [N, K]; None if every user has
            exactly one policy.
        evaluation: the evaluation on fresh episodes.
        folder: the folder in which the run was kept, or None.
        transitions: all transitions of all policies, of training and of validation.
        floors: what the evaluation says of each floor, in the order in which they were given.
        findings: sentences on what the caller should know of the run: policies that serve nobody, a
            result below one policy for everybody, and the like, each with what to do.
    """

    problem: RMDP
    config: TrainConfig
    policies: Policies
    assignment: NumpyArray
    shares: NumpyArray | None
    evaluation: Evaluation
    folder: Path | None
    transitions: int
    findings: tuple[Finding, ...] = ()
    floors: tuple[FloorRecord, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether all floors hold, by the evaluation's means."""
        return all(floor.holds for floor in self.floors)

    @property
    def alpha(self) -> NumpyArray:
        """The distribution of each user over policies at the end of training, [N, K]."""
        if self.shares is not None:
            return self.shares
        alpha = np.eye(self.config.num_policies, dtype=np.float32)[self.assignment]
        return alpha * (self.assignment >= 0)[:, None]

    @property
    def spare(self) -> tuple[int, ...]:
        """The numbers of the policies that serve nobody."""
        users = users_per_policy(self.assignment, self.config.num_policies)
        return tuple(np.flatnonzero(users == 0).tolist())

    def save(
        self,
        path: str | Path,
        *,
        with_users: bool = False,
        zipped: bool = False,
        formats: Sequence[str] = (),
    ) -> Path:
        """Write a bundle: the policies for use elsewhere, which :func:`handful.load` reads.

        A few episodes are played to record what the policies see and do. The rest is taken from the
        result as it is.

        Args:
            path: the path of a new folder, or of a new file that ends with ``.zip``.
            with_users: whether the users' attributes and the weights of their rewards are written
                too; without it a bundle holds only their names, policies and returns.
            zipped: whether a zip file is written beside the folder.
            formats: the further formats of the policies, of ``onnx``, ``c`` and ``stablehlo``. The
                first two need an extra of the same name. Networks of the caller's own are always
                written as ONNX, which needs the extra ``own-onnx``.

        Returns:
            the path of the folder, or of the zip file if ``path`` asks for that alone.

        Raises:
            HandfulError: if there is something at the path already, a format does not exist or
                needs a package, or a network of the caller's own cannot be written as ONNX.
        """
        return save_result(self, path, with_users, zipped, formats)

    def __repr__(self) -> str:
        """Return the result's quality and its folder; single users and weights stay private."""
        kept = "not kept" if self.folder is None else f"kept in {str(self.folder)!r}"
        return (
            f"TrainResult(problem {self.problem.name!r}, method {self.config.method!r}, "
            f"{self.policies!r}, {self.evaluation!r}, {kept})"
        )
