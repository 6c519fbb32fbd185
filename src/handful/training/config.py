"""What one training run is asked to do, in full.

The method ``auto``: the one of ours that has been shown to suit a problem of this kind.

What is known of a problem before training decides, and nothing that happens in it. A problem may
say itself which method was measured to suit it (``RMDP.suited_method``); else:

* It names outcomes that a policy might keep up (``RMDP.constant_outcomes``), and nothing but the
  time limit ends an episode (``never_terminates`` of the environment): ``planned-em``.
* It names such outcomes, and episodes may end early: ``family-em``. Robots that may fall have to
  learn to stay on their feet, which is the same for all. Actors that are networks of the caller's
  own cannot be a family: for them ``planned-em``.
* Its actions are finite, nothing is left to chance, so that an episode that was played once can be
  played again, and episodes are short enough for a batch to hold whole ones: ``elite-em``.
* The learner counts (``PPOConfig.counts``), so that a policy for one user is known soon and costs
  little: ``pooled-em``.
* Otherwise ``em``, which the others have not been shown to beat there.

``docs/methods.md`` has the measurements.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handful._support.checks import check_kind, check_numbers, check_range, check_seed, did_you_mean
from handful._support.text import count
from handful.collect.determinism import is_deterministic
from handful.devices import usable_cores
from handful.errors import HandfulError
from handful.learner.builders import with_names
from handful.learner.config import PPOConfig, find_preset, preset
from handful.learner.networks import Sharing
from handful.methods import (
    AUTO,
    METHODS,
    AssignmentMethod,
    make_method,
    name_and_settings,
)
from handful.problem import RMDP

LONGEST = 2
"""Batches, in steps of an environment, that an episode may last for ``elite-em``: most episodes are
shorter than the longest, and those that lie in one batch are remembered."""


def concrete_method(problem: RMDP, method: str, learner: PPOConfig) -> str:
    """The method of that name, or what ``auto`` stands for with these settings of the learner."""
    if method != AUTO:
        return method
    if problem.suited_method is not None:
        return problem.suited_method
    if problem.constant_outcomes is not None:
        never_terminates = getattr(problem.environment, "never_terminates", False)
        can_be_family = learner.actor_network is None
        return "family-em" if can_be_family and not never_terminates else "planned-em"
    if learner.counts:
        return "pooled-em"
    is_short = problem.environment.time_limit <= LONGEST * learner.num_steps
    return "elite-em" if is_short and is_deterministic(problem) else "em"


RUN_SETTINGS = ("return_mixing", "discounted_table", "keep_best", "final_assignment", "overlap")
"""Of :class:`TrainConfig`, what a caller may choose that belongs neither to the learner nor to a
method."""

BY_VALIDATION = "validation"
"""Of ``final_assignment``: as validation episodes say."""

AS_TRAINED = "method"
"""Of ``final_assignment``: as the method left it."""

FINAL_ASSIGNMENTS = (BY_VALIDATION, AS_TRAINED)


@dataclass(frozen=True)
class TrainConfig:
    """A run's settings.

    Attributes:
        num_policies: ``K``, the budget.
        method: the assignment method's name.
        method_settings: fields of the method's class that differ from its defaults.
        steps: transitions per policy; whole batches are trained, never more than asked for.
        seed: of everything random in training.
        return_mixing: the moving average's weight on new returns (the paper's lambda,
            equation 10).
        discounted_table: keep the return table, by which methods assign users, in returns with the
            problem's discount; the policies that are handed out are chosen by undiscounted ones.
        keep_best: hand out the policies that did best in training instead of the last ones.
        final_assignment: where the assignment that is handed out comes from, for methods whose
            rule is that each user has the policy that serves them best: ``validation`` for
            validation episodes of the policies that are handed out
            (:mod:`handful.training.assigning`), ``method`` for what the method left. Other methods
            keep their own rule with either.
        threads: that step environments on the host; by default one a core. A run that comes from a
            machine with more cores is stepped by as many as there are.
        overlap: collect the next batch on the host while this one is learnt from, by policies that
            are one update old; environments in JAX never overlap.
        ppo: the learner's numbers.

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
    ppo: PPOConfig = field(default_factory=PPOConfig)

    def __post_init__(self) -> None:
        check_numbers(self)
        check_kind("method", self.method, str)
        object.__setattr__(self, "method_settings", _with_tuples(self.method_settings))
        if self.num_policies < 1:
            raise HandfulError(
                f"The number of policies must be at least 1, not {self.num_policies}."
            )
        if self.steps < self.ppo.batch_size:
            raise HandfulError(
                f"The number of steps (transitions per policy) must be at least one batch "
                f"({self.ppo.batch_size}), not {self.steps}."
            )
        check_range("The number of updates (steps / batch_size)", self.num_updates, 1, 2**31 - 1)
        check_seed(self.seed)
        if not 0 < self.return_mixing <= 1:
            raise HandfulError(
                f"return_mixing must be above 0 and at most 1, not {self.return_mixing}."
            )
        if self.final_assignment not in FINAL_ASSIGNMENTS:
            raise HandfulError(
                f"final_assignment must be {' or '.join(FINAL_ASSIGNMENTS)}, not "
                f"{self.final_assignment!r}."
            )
        if self.threads is not None and self.threads < 1:
            raise HandfulError(f"The number of threads must be 1 or more, not {self.threads}.")
        if self.make_method().info.keeps_pool and self.ppo.sharing is not Sharing.NOTHING:
            raise HandfulError(
                f"The method '{self.method}' keeps policies to go on from later, so they must not "
                f"share layers: set share_hidden and family to false."
            )

    def __repr__(self) -> str:
        """What the run is, without the learner's numbers and the assignment of single users."""
        return (
            f"TrainConfig({count(self.num_policies, 'policy')}, method {self.method!r}, "
            f"{count(self.steps, 'step')}, seed {self.seed})"
        )

    def __hash__(self) -> int:
        """So that compiled functions may have it for a static argument; settings are a mapping."""
        return hash((self.num_policies, self.method, self.steps, self.seed, self.ppo))

    @property
    def num_updates(self) -> int:
        """Batches that fit into the steps."""
        return self.steps // self.ppo.batch_size

    def make_method(self) -> AssignmentMethod:
        """The assignment method itself."""
        return make_method(self.method, **self.method_settings)

    def to_dict(self) -> dict[str, Any]:
        """For a run folder."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """What :meth:`to_dict` gave, perhaps read back from JSON.

        Raises:
            HandfulError: if it was written by another version, with other settings.
        """
        try:
            ppo = PPOConfig(**_with_tuples(values["ppo"]))
            return cls(**{**values, "ppo": ppo})
        except (AttributeError, KeyError, TypeError) as error:
            raise HandfulError(
                f"The run's settings were written by another version of handful ({error}): "
                f"use that version, or train anew."
            ) from None


def make_config(
    problem: RMDP,
    num_policies: int,
    method: str | AssignmentMethod,
    preset_name: str,
    settings: Mapping[str, Any] | None = None,
    method_settings: Mapping[str, Any] | None = None,
    **others: Any,
) -> TrainConfig:
    """A run's settings: a preset, what suits the problem and the method, and the changes to both.

    Args:
        method: a method's name, or ``auto`` for the one that suits the problem; or the method
            itself, whose fields then come before ``method_settings``.
        settings: of the learner, that differ; networks as builders, or by their names.
        method_settings: of the method, that differ.
        others: fields of :class:`TrainConfig`.

    Raises:
        HandfulError: for a budget that does not fit the problem, a method, preset or setting that
            does not exist, or a value out of range.
    """
    problem.check_budget(num_policies)
    if isinstance(method, AssignmentMethod):
        method, own = name_and_settings(method)
        method_settings = {**(method_settings or {}), **own}
    check_kind("method", method, str)
    threads = others.get("threads")
    check_kind("threads", threads, int | None)
    if threads is not None and not 1 <= threads <= usable_cores():
        raise HandfulError(
            f"The number of threads must be from 1 to the cores of this machine "
            f"({usable_cores()}), not {threads}."
        )
    known = find_preset(preset_name)
    suited = dict(problem.learner_settings(num_policies, known))
    changes = with_names(settings or {})
    method = concrete_method(problem, method, preset(preset_name, **{**suited, **changes}))
    if method in METHODS:
        suited |= METHODS[method].info.learner_settings
    return TrainConfig(
        num_policies=num_policies,
        method=method,
        method_settings={
            **problem.method_settings(method, known),
            **(method_settings or {}),
        },
        ppo=preset(preset_name, **{**suited, **changes}),
        **others,
    )


def check_run_settings(names: Iterable[str], where: str) -> None:
    """Only names of :data:`RUN_SETTINGS`.

    Args:
        where: they stand, to begin the sentence with.

    Raises:
        HandfulError: naming the first that is not one.
    """
    for name in names:
        if name not in RUN_SETTINGS:
            raise HandfulError(
                f"{where} has no setting '{name}'{did_you_mean(name, RUN_SETTINGS)}: it may have "
                f"{', '.join(RUN_SETTINGS)}."
            )


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings are immutable; callers have arrays and JSON has lists."""
    plain = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in values.items()}
    return {n: tuple(value) if isinstance(value, list) else value for n, value in plain.items()}
