"""Reading a finished run from its files alone: no problem is made, and no episode is played.

The simulator of the run need not be installed. What needs it is not here: playing more episodes
(:func:`handful.evaluate`) and going on (:func:`handful.resume`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.text import count
from handful.errors import HandfulError
from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import Evaluation
from handful.learner.builders import Network
from handful.learner.policies import Policies
from handful.learner.policies_file import digests_of_policies, load_policies
from handful.population import Population
from handful.run_folder import RunFolder
from handful.service import Service
from handful.training.config import TrainConfig
from handful.training.records.evaluation_files import (
    read_assignment,
    read_evaluation,
    read_findings,
    read_population,
)
from handful.training.records.run_reader import stored_run, with_networks
from handful.training.watching.findings import Finding
from handful.types import NumpyArray


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A finished run as its folder keeps it.

    Attributes:
        folder: the run's folder.
        config: the settings of the run.
        policies: the ``K`` policies. They take observations as vectors [O]: what turns the
            environment's own observations into these belongs to the environment.
        assignment: the policy of each user, [N].
        shares: each user's distribution over policies, [N, K]; None if everybody has exactly one.
        record: all that ``evaluation.json`` says of the run.
        described: the problem, as ``config.json`` describes it.
        findings: sentences on what one should know of the run.
    """

    folder: Path
    config: TrainConfig
    policies: Policies
    assignment: NumpyArray
    shares: NumpyArray | None
    record: Mapping[str, Any] = field(repr=False)
    described: Mapping[str, Any] = field(repr=False)
    findings: tuple[Finding, ...] = ()
    stored_population: Population | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """Return the task, the method and the welfare; single users and weights stay private."""
        return (
            f"StoredRun({self.described['name']!r}, method {self.config.method!r}, "
            f"{count(self.policies.num_policies, 'policy')}, welfare {self.welfare:.2f}, "
            f"{str(self.folder)!r})"
        )

    @property
    def welfare(self) -> float:
        """The welfare that was measured when the run ended."""
        return float(self.record["welfare"])

    @property
    def transitions(self) -> int:
        """All transitions of all policies, of training and of validation."""
        trained, validated = (self.record[n] for n in ("transitions", "validation_transitions"))
        return self.config.played(int(trained), int(validated))

    @property
    def population(self) -> Population:
        """The users, with their coefficients and without the function that pays them.

        Raises:
            HandfulError: if the folder does not hold their coefficients.
        """
        if self.stored_population is None:
            raise HandfulError(
                f"The run in '{self.folder}' has not kept what its users want: their rewards are "
                f"not linear in features, or an earlier version trained it. Open it with its "
                f"problem, as handful.resume('{self.folder}', problem) does."
            )
        return self.stored_population

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation that was measured when the run ended.

        Raises:
            HandfulError: if the folder does not hold the users' coefficients.
        """
        return read_evaluation(RunFolder(self.folder), self.record, self.population)[0]

    @cached_property
    def service(self) -> Service:
        """The policies in service of the run's users, for comparisons and for further users.

        Raises:
            HandfulError: if the folder does not hold the users' coefficients.
        """
        played = self.evaluation.deterministic.played
        assert isinstance(played, FeatureReturns)
        users = np.flatnonzero(np.asarray(self.assignment) >= 0)  # no policy serves the others
        names = self.population.user_ids
        return Service.of_episodes(
            str(self.folder),
            played.features,
            policies=digests_of_policies(self.policies),
            user_ids=tuple(names[user] for user in users.tolist()),
            coefficients=np.asarray(self.population.coefficients[users], np.float64),
            assignment=np.asarray(self.assignment, np.int64)[users],
            feature_names=tuple(self.described.get("feature_names", ())),
            chance=f"seed {self.record['evaluation_seed']}",
        )


def load_run(path: str | Path, *, network: Network | None = None, trust: bool = False) -> StoredRun:
    """Read a finished run from its folder, without its simulator and without playing.

    Args:
        path: the path of the run folder.
        network: the run's own network, if it has one that this program cannot import.
        trust: whether modules that the folder names for a method, a learner or a network may be
            imported, which runs their code.

    Returns:
        the policies, the assignment and all that was measured when the run ended.

    Raises:
        HandfulError: if there is no finished run at the path, a file of it was changed, or it has a
            method, a learner or a network that is not known.
    """
    folder = RunFolder(path)
    stored, config = stored_run(folder, trust)
    record = folder.read_evaluation()
    config = with_networks(config, f"The run in '{path}'", network, trust)
    policies = load_policies(folder.policies, getattr(config.learner, "actor_network", None))
    assignment, shares = read_assignment(folder, len(stored["problem"]["users"]))
    return StoredRun(
        folder=folder.path.absolute(),
        config=config,
        policies=policies,
        assignment=assignment,
        shares=shares,
        record=record,
        described=stored["problem"],
        findings=read_findings(folder, record),
        stored_population=read_population(folder, stored),
    )
