"""One run of training as one object: what is trained on, how, by which method, on which devices."""

from dataclasses import dataclass, field
from functools import cached_property

from jax.sharding import Mesh

from handful.learner import Learner
from handful.methods import AssignmentMethod, Schedule
from handful.problem import RMDP
from handful.training.config import BY_VALIDATION, TrainConfig


@dataclass(frozen=True, eq=False)
class Run:
    """Everything about a run that never changes while it is trained.

    It is built once and passed whole. Two runs are equal only if they are the same object, so that
    compiled programs may have a run as a static argument.

    Attributes:
        problem: the problem as the caller gave it; evaluation pays by it.
        config: the settings.
        mesh: the two devices that share actors and critics, or None where one device does all
            (:mod:`handful.learner.parallel`).
        method: the assignment method that the settings name.

    Raises:
        HandfulError: if the settings do not make a method.
    """

    problem: RMDP
    config: TrainConfig
    mesh: Mesh | None = None
    method: AssignmentMethod = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", self.config.make_method())

    @cached_property
    def learnt(self) -> RMDP:
        """The problem as the learner sees it: with the learner's own discount, where it has one."""
        return self.problem.with_discount(self.learner.own_discount)

    @property
    def learner(self) -> Learner:
        """What improves the policies."""
        return self.config.learner

    @property
    def num_policies(self) -> int:
        """``K``, the budget."""
        return self.config.num_policies

    @property
    def num_updates(self) -> int:
        """How many updates the whole run has."""
        return self.config.num_updates

    @property
    def assigns_by_validation(self) -> bool:
        """Whether the assignment that is handed out comes from validation episodes."""
        return self.config.final_assignment == BY_VALIDATION and self.method.info.assigns_best

    @cached_property
    def schedule(self) -> Schedule:
        """When the method intervenes, how long it waits, and how the learner's rates fall."""
        return self.method.schedule(self.num_updates, self.num_policies)
