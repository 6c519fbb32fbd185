"""What is known of a run when it ends, besides its evaluation: alternatives, and findings."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from handful.evaluation.alternatives import (
    Alternative,
    ConstantActions,
    compare_assignments,
    play_constants,
)
from handful.evaluation.returns import Evaluation, users_per_policy
from handful.learner.policies import Policies
from handful.methods.weights import likeliest_policies
from handful.training.config import AS_TRAINED, BY_VALIDATION
from handful.training.fairness.floor_records import FloorRecord, of_floors
from handful.training.run import Run
from handful.training.state import TrainState
from handful.training.watching.findings import Ending, Finding, History, find
from handful.types import Watch, unwatched


class Judgement(NamedTuple):
    """What is known of a run besides its evaluation.

    Attributes:
        assigned_by: where the final assignment comes from: ``validation``, or ``method`` for the
            method's own rule.
        alternatives: other assignments of the same policies, on the same episodes, by name:
            ``as_trained`` as the method left it, ``by_validation`` if validation chose one,
            ``one_policy`` for everybody, and ``reassigned`` with everybody's best policy.
        constants: the welfare of constant actions.
        findings: what a user of the run should know.
    """

    assigned_by: str
    alternatives: dict[str, Alternative]
    constants: ConstantActions
    findings: list[Finding]

    def record(self) -> dict[str, Any]:
        """Give it in the form that ``evaluation.json`` holds."""
        best = self.constants.best
        return {
            "assigned_by": self.assigned_by,
            "alternatives": {name: asdict(one) for name, one in self.alternatives.items()},
            "constant_actions": {
                "best": self.constants.names[best],
                "welfare": float(self.constants.welfare[best]),
                "welfare_stderr": float(self.constants.welfare_stderr[best]),
                "transitions": self.constants.transitions,
            },
            "findings": [finding.record() for finding in self.findings],
        }


def judge(
    run: Run,
    state: TrainState,
    policies: Policies,
    evaluation: Evaluation,
    history: History,
    floors: Sequence[FloorRecord] = (),
    watch: Watch = unwatched,
) -> Judgement:
    """Work out what is known of a run that was trained, validated and evaluated.

    Args:
        run: the run, which has ended.
        state: its last state.
        policies: the final policies.
        evaluation: their evaluation.
        history: two numbers of every update.
        floors: what the evaluation says of the floors.
        watch: is called with the share of the episodes of constant actions that has been played.
    """
    config, method, assignment = run.config, run.method, evaluation.assignment
    as_trained = likeliest_policies(method.weights(state.chosen(run).assignment))
    others = {"as_trained": np.asarray(as_trained)}
    if state.is_assigned:
        others["by_validation"] = np.asarray(state.by_validation)
    # Whom no policy fits has the outside option in this welfare, whatever the policy is.
    others = {name: np.where(one < 0, as_trained, one) for name, one in others.items()}
    served = np.where(assignment < 0, as_trained, assignment)
    alternatives = compare_assignments(evaluation.deterministic, served, others, run.welfare)
    constants = play_constants(run.problem, policies, config.seed, watch, run.welfare)
    ending = Ending(
        method=config.method,
        assigns_best=method.info.assigns_best,
        users_per_policy=users_per_policy(assignment, config.num_policies),
        welfare=evaluation.welfare,
        welfare_stderr=evaluation.welfare_stderr,
        alternatives=alternatives,
        constants=constants,
        history=history.moments,
        warm_up=run.schedule.warm_up,
        starts_at_random=method.info.assigns_best
        and not (run.schedule.interventions or config.universal is not None),
    )
    by_validation = run.assigns_by_validation and bool(state.is_assigned)
    assigned_by = BY_VALIDATION if by_validation else AS_TRAINED
    found = [*find(ending), *of_floors(floors)]
    return Judgement(assigned_by, alternatives, constants, found)
