"""One run of training as one object: its problem, settings, method, learner and devices."""

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from handful.envs.drawn import num_parts, without_draw
from handful.errors import HandfulError
from handful.learner import Learner
from handful.learner.universal_learners import universal_learner
from handful.methods import METHODS, AssignmentMethod, RateRound, Schedule
from handful.methods.universal import Trials, Universal
from handful.problem import RMDP
from handful.training.config import BY_VALIDATION, TrainConfig
from handful.training.fairness.claims import Claims
from handful.training.fairness.pressure import less_missing
from handful.training.starting.continuation import FINAL
from handful.training.starting.start import Given
from handful.welfare import WelfareFn, find_welfare, utilitarian, with_outside

CRITICS_FIRST = 0.05
"""The share of the updates of a run that starts from policies in which only critics learn. They
begin new, and would mislead policies that are good already."""


@dataclass(frozen=True, eq=False)
class Run:
    """The parts of a run that never change while it is trained.

    It is built once and passed whole. Two runs are equal only if they are the same object, so that
    compiled programs may have a run as a static argument.

    Attributes:
        problem: the problem as the caller gave it; evaluation uses its rewards.
        config: the settings of the run.
        mesh: the two devices that share actors and critics, or None if one device does all
            (:mod:`handful.learner.parallel`).
        given: the policies that the run starts from, if it does and is to be begun.
        method: the assignment method that the settings name.
        claims: the users' groups, outside options and floors.
        own_welfare: the welfare function that the settings name, of what users get in all.
        welfare: the welfare of what users get from policies: where they have outside options, it is
            that of the larger of the two.
        worth: the welfare less what is missing to floors, by which policies, and assignments of
            users to them, are chosen.

    Raises:
        HandfulError: if the settings do not make a method, or their welfare function is not known
            to this program.
    """

    problem: RMDP
    config: TrainConfig
    mesh: Mesh | None = None
    given: Given | None = None
    method: AssignmentMethod = field(init=False)
    claims: Claims = field(init=False)
    own_welfare: WelfareFn = field(init=False)
    welfare: WelfareFn = field(init=False)
    worth: WelfareFn = field(init=False)

    def __post_init__(self) -> None:
        claims = self.config.claims
        own = claims.bind(find_welfare(self.config.welfare))
        object.__setattr__(self, "method", self.config.make_method())
        object.__setattr__(self, "claims", claims)
        object.__setattr__(self, "own_welfare", own)
        options = claims.options
        welfare = own if options is None else with_outside(own, options)
        object.__setattr__(self, "welfare", welfare)
        worth = less_missing(claims, welfare) if claims.floors else welfare
        object.__setattr__(self, "worth", worth)

    @cached_property
    def learnt(self) -> RMDP:
        """The problem for the learner: with the learner's own discount, if it has one."""
        return self.problem.with_discount(self.learner.own_discount)

    @property
    def learner(self) -> Learner:
        """The learner, which improves the policies."""
        return self.config.learner

    @property
    def num_policies(self) -> int:
        """The budget ``K``."""
        return self.config.num_policies

    @property
    def parts(self) -> int:
        """The number of parts from which each policy draws one for an episode; 1 without a draw."""
        return num_parts(self.problem)

    @property
    def num_updates(self) -> int:
        """The number of updates of the whole run."""
        return self.config.num_updates

    @property
    def planned_updates(self) -> int:
        """The number of updates by which the method plans: without those of continuations."""
        return self.config.planned_updates

    @property
    def keeps_start(self) -> bool:
        """Whether the run keeps the policies that it began with, in case that none is better."""
        return self.config.start is not None or bool(self.config.continued)

    @property
    def begins_trained(self) -> bool:
        """Whether the run begins with policies that have learnt already."""
        return self.config.start is not None or self.config.universal is not None

    @property
    def critics_first(self) -> int:
        """The number of updates in which policies from elsewhere wait for their critics."""
        return int(CRITICS_FIRST * self.planned_updates)

    @property
    def is_utilitarian(self) -> bool:
        """Whether the welfare is the mean over users, in which all users count alike."""
        return self.welfare is utilitarian

    @property
    def counts_all_alike(self) -> bool:
        """Whether all users always count alike in training."""
        return self.is_utilitarian and not self.claims.floors

    @cached_property
    def welfare_of_nothing(self) -> float:
        """The worth of policies from which every user earns 0."""
        with jax.ensure_compile_time_eval():
            return float(self.worth(jnp.zeros(self.problem.num_users)))

    @property
    def assigns_by_validation(self) -> bool:
        """Whether the final assignment comes from validation episodes."""
        return self.config.final_assignment == BY_VALIDATION and self.method.info.assigns_best

    @cached_property
    def stage(self) -> "Run | None":
        """The run that trains the universal policy which this run begins with, if it has any.

        It knows nothing of the welfare: what users get there is from the best of many policies,
        which says little of who would be served badly by the few.

        Raises:
            HandfulError: if the learner cannot go on from a universal policy.
        """
        config, stage, method = self.config, self.config.universal, self.method
        if stage is None:
            return None
        assert isinstance(method, Universal)
        problem = without_draw(self.problem)
        learner = universal_learner(
            self.learner,
            problem.environment.action_space,
            method.context_size,
            method.group_share,
            stage.collect.num_steps if stage.explores else 0,
            method.curriculum,
            stage.starts,
        )
        if learner is None:
            raise HandfulError(
                f"The method '{config.method}' begins with one policy for all users, which takes a "
                f"preference as an input of its first hidden layer, and this learner has no such "
                f"policy: choose the learner 'ppo' with the library's own networks and at least "
                f"one width in hidden_sizes, or another method."
            )
        if self.parts > 1 and not learner.can_draw:
            raise HandfulError(
                f"The method '{config.method}' makes no policies that draw a part (draw) with this "
                f"learner: choose the learner 'ppo', or leave out the draw."
            )
        name, _ = METHODS.describe(Trials())
        within = TrainConfig(
            num_policies=stage.num_members,
            method=name,
            steps=stage.steps // stage.num_members,
            seed=config.seed,
            return_mixing=1.0,
            threads=config.threads,
            overlap=config.overlap,
            keep_best=False,
            learner=learner,
            collect=stage.collect,
        )
        return Run(problem, within, self.mesh)

    @cached_property
    def schedule(self) -> Schedule:
        """The method's interventions, its warm-up, and the course of the learner's rates."""
        planned = self.method.schedule(self.planned_updates, self.num_policies)
        continued = self.config.continued
        if not continued:
            return planned
        starts = self.config.continued_from
        more = [
            RateRound(start, 1.0 if one.rates == FINAL else 0.0)
            for start, one in zip(starts, continued, strict=True)
        ]
        return dataclasses.replace(
            planned, num_updates=self.num_updates, rate_rounds=(*planned.rate_rounds, *more)
        )
