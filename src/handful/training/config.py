"""The settings of one training run: presets, what suits a problem, and what the caller asks for."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from handful._support.checks import (
    check_kind,
    check_numbers,
    check_range,
    check_seed,
    did_you_mean,
)
from handful._support.registry import field_names
from handful._support.text import count
from handful.devices import usable_cores
from handful.errors import HandfulError
from handful.learner import LEARNERS, PPO, Learner
from handful.learner.builders import with_names
from handful.methods import METHODS, AssignmentMethod, stored_method
from handful.methods.universal import Universal
from handful.problem import RMDP
from handful.training.auto import concrete_method
from handful.training.collecting import CollectConfig
from handful.training.fairness.claims import Claims
from handful.training.fairness.mirror import LARGEST_STEP
from handful.training.starting.continuation import Continuation
from handful.training.starting.start_settings import StartSettings
from handful.training.universal.stage import UniversalStage, plan_stage
from handful.types import Preset
from handful.welfare import UTILITARIAN, check_welfare_name

PRESETS: dict[str, Mapping[str, Any]] = {
    "paper": {},
    "fast": {
        "learning_rate": 1e-3,
        "num_envs": 64,
        "minibatch_size": 128,
        "num_epochs": 4,
        "share_hidden": False,
    },
}
"""The presets by name. ``paper`` has the settings of the paper, which are the defaults. ``fast``
needs less time or fewer transitions, and the library's own methods were measured with it."""

_FAST = ("fast",)
"""The presets that save time or transitions."""

LEARNER = "learner"
"""The name of the learner itself among settings."""


def find_preset(name: str) -> Preset:
    """Return the part of a preset that a problem knows, by the preset's name.

    Raises:
        HandfulError: if there is no such preset.
    """
    if name not in PRESETS:
        raise HandfulError(f"There is no preset named '{name}': choose from {', '.join(PRESETS)}.")
    return Preset(name, name in _FAST)


def resolve_settings(
    preset: str, changes: Mapping[str, Any], suited: Mapping[str, Any] | None = None
) -> tuple[Learner, CollectConfig]:
    """Return a learner and how its policies collect: a preset with changes.

    Args:
        preset: the preset's name.
        changes: the settings of the learner and of collecting that the caller asks for, by name,
            and the learner's own name as ``learner``. A setting that the learner does not have is
            an error.
        suited: the settings that suit the problem and the method better than the preset, by name.
            The learner takes those of these and of the preset that it has.

    Raises:
        HandfulError: if a preset, a learner or a setting does not exist, or a value is out of
            range.
    """
    find_preset(preset)
    usual = {**PRESETS[preset], **(suited or {})}
    name = changes.get(LEARNER, usual.get(LEARNER, "ppo"))
    check_kind(LEARNER, name, str)
    kind = LEARNERS.find(name)
    fields, collecting = set(field_names(kind)), set(field_names(CollectConfig))
    unknown = sorted(set(changes) - fields - collecting - {LEARNER})
    if unknown:
        known = sorted(fields | collecting)
        raise HandfulError(
            f"The learner '{name}' has no setting '{unknown[0]}'{did_you_mean(unknown[0], known)}: "
            f"choose from {', '.join(known)}."
        )
    wanted = {**usual, **kind.usual_settings, **changes}
    return (
        LEARNERS.make(name, {n: value for n, value in wanted.items() if n in fields}),
        CollectConfig(**{n: value for n, value in wanted.items() if n in collecting}),
    )


RUN_SETTINGS = (
    "return_mixing",
    "discounted_table",
    "keep_best",
    "final_assignment",
    "overlap",
    "welfare",
    "weight_step",
)
"""The fields of :class:`TrainConfig` that a caller may choose and that belong neither to the
learner nor to a method."""

BY_VALIDATION = "validation"
"""The value of ``final_assignment`` for the assignment by validation episodes."""

AS_TRAINED = "method"
"""The value of ``final_assignment`` for the method's last assignment."""

FINAL_ASSIGNMENTS = (BY_VALIDATION, AS_TRAINED)


@dataclass(frozen=True)
class TrainConfig:
    """A run's settings.

    Attributes:
        num_policies: the budget ``K``.
        method: the name of the assignment method.
        method_settings: the fields of the method's class that differ from its defaults.
        steps: the transitions for each policy that plays. Whole batches are trained, and never more
            than asked for.
        seed: the seed of everything random in training.
        return_mixing: the weight of new returns in the moving average (the paper's lambda, equation
            10).
        discounted_table: whether the return table, by which methods assign users, holds returns
            with the problem's discount. The final policies are chosen by undiscounted returns.
        keep_best: whether the result is the policies that did best in training, instead of the
            last.
        final_assignment: the source of the final assignment, for methods whose rule is that each
            user has the policy that serves them best: ``validation`` takes it from validation
            episodes of the final policies (:mod:`handful.training.assigning`), ``method`` takes the
            method's last assignment. Other methods keep their own rule with either.
        threads: the number of threads that step environments on the host; by default one for each
            core. A run that comes from a machine with more cores uses as many threads as this
            machine has cores.
        welfare: the name of the welfare function that is trained for and measured
            (:mod:`handful.welfare`): a registered name, or ``module:function``.
        weight_step: the step size of users' weights under a welfare whose gradient jumps
            (:mod:`handful.training.fairness.mirror`); None takes the one that suits the number of
            updates.
        overlap: whether the next batch on the host is collected while the policies learn from this
            one, by policies that are one update old; environments in JAX never overlap.
        claims: the users' groups, outside options and floors.
        learner: the learner that improves the policies, with its settings.
        collect: the settings of how transitions are collected.
        universal: the settings of the universal stage that the run begins with; None if it has
            none. Its transitions are a part of the ``steps``.
        start: the policies that the run starts from, and which of them stay as they are; None if
            all begin new.
        continued: the continuations of the run, each with more steps than before. ``steps`` stays
            what the run began with.

    Raises:
        HandfulError: if a number is out of its range, or the method or one of its settings does
            not exist.
    """

    num_policies: int
    method: str = "em"
    method_settings: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 1_000_000
    seed: int = 0
    return_mixing: float = 0.05
    keep_best: bool = True
    final_assignment: str = BY_VALIDATION
    threads: int | None = None
    overlap: bool = False
    discounted_table: bool = False
    welfare: str = UTILITARIAN
    weight_step: float | None = None
    claims: Claims = field(default_factory=Claims)
    learner: Learner = field(default_factory=PPO)
    collect: CollectConfig = field(default_factory=CollectConfig)
    universal: UniversalStage | None = None
    start: StartSettings | None = None
    continued: tuple[Continuation, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self)
        check_kind("method", self.method, str)
        check_kind("welfare", self.welfare, str)
        check_welfare_name(self.welfare)
        object.__setattr__(self, "method_settings", _with_tuples(self.method_settings))
        if self.num_policies < 1:
            raise HandfulError(
                f"The number of policies must be at least 1, not {self.num_policies}."
            )
        batch_size = self.collect.batch_size
        if self.steps < batch_size:
            raise HandfulError(
                f"The number of steps (transitions per policy) must be at least one batch "
                f"({batch_size}), not {self.steps}."
            )
        self.learner.check_batch(batch_size)
        check_range("The number of updates (steps / batch_size)", self.num_updates, 1, 2**31 - 1)
        check_seed(self.seed)
        if not 0 < self.return_mixing <= 1:
            raise HandfulError(
                f"return_mixing must be above 0 and at most 1, not {self.return_mixing}."
            )
        if self.weight_step is not None and not 0 < self.weight_step <= LARGEST_STEP:
            raise HandfulError(
                f"weight_step must be above 0 and at most {LARGEST_STEP:g}, not {self.weight_step}."
            )
        if self.final_assignment not in FINAL_ASSIGNMENTS:
            raise HandfulError(
                f"final_assignment must be {' or '.join(FINAL_ASSIGNMENTS)}, not "
                f"{self.final_assignment!r}."
            )
        if self.threads is not None and self.threads < 1:
            raise HandfulError(f"The number of threads must be 1 or more, not {self.threads}.")
        if self.claims.outside and self.final_assignment != BY_VALIDATION:
            raise HandfulError(
                "Whom no policy fits is decided by validation, so outside options need "
                "final_assignment = validation."
            )
        if self.start is not None and self.learner.shares_layers:
            raise HandfulError(
                "Policies that start from given ones share no layers, as each goes on or stays for "
                "itself: leave out share_hidden and family, or set them to false."
            )
        if self.start is not None and self.make_method().info.begins_anew:
            raise HandfulError(
                f"The method '{self.method}' makes its first policies in its own way, so that a "
                f"run of it cannot start from given ones: choose another method, such as em."
            )
        if self.make_method().info.keeps_pool and self.learner.shares_layers:
            raise HandfulError(
                f"The method '{self.method}' keeps policies to go on from later, so they must not "
                f"share layers: set share_hidden and family to false."
            )

    def __repr__(self) -> str:
        """Return the settings without the learner's numbers and the assignment of single users."""
        return (
            f"TrainConfig({count(self.num_policies, 'policy')}, method {self.method!r}, "
            f"{count(self.steps, 'step')}, seed {self.seed})"
        )

    def __hash__(self) -> int:
        """Return a hash, so that compiled functions may have settings as a static argument."""
        return hash(
            (self.num_policies, self.method, self.steps, self.seed, self.learner, self.collect)
        )

    @property
    def num_updates(self) -> int:
        """The number of batches that fit into all steps, less those of the universal stage."""
        return self._updates_within(self.total_steps)

    @property
    def planned_updates(self) -> int:
        """The number of updates that the run began with, by which its method plans."""
        return self._updates_within(self.steps)

    @property
    def continued_from(self) -> tuple[int, ...]:
        """The number of updates before which each continuation begins."""
        before = [self.steps, *(one.steps for one in self.continued)]
        return tuple(self._updates_within(steps) for steps in before[:-1])

    @property
    def total_steps(self) -> int:
        """The transitions for each policy, those of continuations included."""
        return self.continued[-1].steps if self.continued else self.steps

    def _updates_within(self, steps: int) -> int:
        return (steps - self.stage_steps) // self.collect.batch_size

    def transitions_after(self, updates: int) -> int:
        """Return the transitions for each policy after so many updates.

        Those of the universal policy's training are divided by the number of policies. What its
        candidates played counts as validation.
        """
        stage = self.universal
        before = 0 if stage is None else self.share_of(stage.training_steps)
        return before + updates * self.collect.batch_size

    @property
    def stage_steps(self) -> int:
        """The part of the ``steps`` that the universal stage takes; 0 without one."""
        return 0 if self.universal is None else self.share_of(self.universal.total_steps)

    def share_of(self, transitions: int) -> int:
        """Return the part of each policy in transitions that are for all of them, rounded up."""
        return -(-transitions // self.num_policies)

    @cached_property
    def players(self) -> tuple[int, ...]:
        """The numbers of the policies that play in training, ascending.

        Frozen policies do not: what they earn is known from the start. They play where more is
        asked of their transitions: by a learner that knows returns from all of them, by a method
        that remembers episodes or intervenes, and for a discounted table.
        """
        everybody, start = tuple(range(self.num_policies)), self.start
        if start is None or self.discounted_table or self.learner.knows_returns:
            return everybody
        method = self.make_method()
        schedule = method.schedule(self.planned_updates, self.num_policies)
        if method.memory is not None or method.info.keeps_pool or schedule.interventions:
            return everybody
        return tuple(number for number in everybody if number not in start.frozen)

    def played(self, trained: int, validated: int) -> int:
        """Return the transitions of all policies together.

        Args:
            trained: those of training, for each policy that plays in it.
            validated: those of validation, for each policy.
        """
        return len(self.players) * trained + self.num_policies * validated

    def make_method(self) -> AssignmentMethod:
        """Make the assignment method.

        A run that was trained by a method which left the library can be read, so its settings have
        a method too, by which no run can be trained.
        """
        return stored_method(self.method, self.method_settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings in the types of JSON, for a run folder."""
        name, settings = LEARNERS.describe(self.learner)
        described = {
            **dataclasses.asdict(self),
            "learner": {"name": name, **settings},
            "claims": self.claims.to_dict(),
        }
        # The settings of most runs stay as they always were.
        for name in ("universal", "start", "continued", "weight_step", "claims"):
            if not described[name]:
                del described[name]
        return described

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Return the settings that :meth:`to_dict` described, perhaps read back from JSON.

        Raises:
            HandfulError: if another version wrote them, with other settings.
        """
        try:
            learner, stage = _with_tuples(values["learner"]), values.get("universal")
            start = values.get("start")
            return cls(
                **{
                    **values,
                    "learner": LEARNERS.find(learner.pop("name"))(**learner),
                    "collect": CollectConfig(**values["collect"]),
                    "universal": None if stage is None else UniversalStage.from_dict(stage),
                    "start": None if start is None else StartSettings.from_dict(start),
                    "claims": Claims.from_dict(values.get("claims", {})),
                    "continued": tuple(map(Continuation.from_dict, values.get("continued", ()))),
                }
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise HandfulError(
                f"The run's settings were written by another version of handful ({error}): "
                f"use that version, or train again."
            ) from None


def make_config(
    problem: RMDP,
    num_policies: int,
    method: str | AssignmentMethod,
    preset_name: str,
    settings: Mapping[str, Any] | None = None,
    method_settings: Mapping[str, Any] | None = None,
    learner: str | Learner | None = None,
    **others: Any,
) -> TrainConfig:
    """Return a run's settings: a preset, what suits the problem and the method, and the changes.

    Args:
        method: a method's name, or ``auto`` for the one that suits the problem; or the method
            itself, whose fields then come before ``method_settings``.
        settings: the settings of the learner and of collecting that differ from the preset, with
            networks as builders or by their names; and ``learner``, the learner's name.
        method_settings: the settings of the method that differ from its defaults.
        learner: a learner's name, or the learner itself, whose fields come before ``settings``;
            None for the learner that suits the problem.
        others: other fields of :class:`TrainConfig`.

    Raises:
        HandfulError: if the budget does not fit the problem, a method, preset or setting does not
            exist, or a value is out of range.
    """
    problem.check_budget(num_policies)
    if isinstance(method, AssignmentMethod):
        method, own = METHODS.describe(method)
        method_settings = {**(method_settings or {}), **own}
    if isinstance(learner, Learner):
        learner, own = LEARNERS.describe(learner)
        settings = {**(settings or {}), **own}
    check_kind("learner", learner, str | None)
    if learner is not None:
        settings = {**(settings or {}), LEARNER: learner}
    check_kind("method", method, str)
    threads = others.get("threads")
    check_kind("threads", threads, int | None)
    if threads is not None and not 1 <= threads <= usable_cores():
        raise HandfulError(
            f"The number of threads must be from 1 to the cores of this machine "
            f"({usable_cores()}), not {threads}."
        )
    known, asked = find_preset(preset_name), with_names(settings or {})
    suited = dict(problem.learner_settings(num_policies, known))
    welfare = others.get("welfare", UTILITARIAN)
    if others.get("claims", Claims()) and welfare == UTILITARIAN:
        welfare = "power:1"  # the mean, of users who do not all count alike
    of_universal = {**suited, **Universal.info.learner_settings}
    method = concrete_method(
        problem,
        method,
        *resolve_settings(preset_name, asked, suited),
        num_policies,
        others.get("steps", TrainConfig.steps),
        welfare,
        resolve_settings(preset_name, asked, of_universal)[0],
    )
    suited |= METHODS.find(method).info.learner_settings
    chosen, collect = resolve_settings(preset_name, asked, suited)
    usual = {n: value for n, value in chosen.usual_settings.items() if n in RUN_SETTINGS}
    config = TrainConfig(
        num_policies=num_policies,
        method=method,
        method_settings={
            **problem.method_settings(method, known),
            **(method_settings or {}),
        },
        learner=chosen,
        collect=collect,
        **{**usual, **others},
    )
    made = config.make_method()
    if not isinstance(made, Universal):
        return config
    updates = max(int(made.own_share * config.num_updates), 1)
    own = updates * collect.batch_size * num_policies
    stage = plan_stage(problem, made, num_policies, config.steps * num_policies, own)
    return dataclasses.replace(config, universal=stage)


def check_run_settings(names: Iterable[str], where: str) -> None:
    """Check that all names are in :data:`RUN_SETTINGS`.

    Args:
        where: the words for the place of the names, to begin an error message with.

    Raises:
        HandfulError: if one is not; the sentence names the first.
    """
    for name in names:
        if name not in RUN_SETTINGS:
            raise HandfulError(
                f"{where} has no setting '{name}'{did_you_mean(name, RUN_SETTINGS)}: it may have "
                f"{', '.join(RUN_SETTINGS)}."
            )


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with tuples in place of arrays and lists, since settings are immutable."""
    plain = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in values.items()}
    return {n: tuple(value) if isinstance(value, list) else value for n, value in plain.items()}
