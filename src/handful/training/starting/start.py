"""What a run may start from: policies that there are already, some of which may stay as they are.

The policies come from a result, from the folder of a finished run, from a bundle, or as they are.
They get copies of their own layers, so that each of them can be trained or kept apart from the
others. Nothing is played here: :mod:`handful.training.starting.beginning` finds out what they are
worth.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.checks import check_kind
from handful._support.registry import field_names
from handful._support.text import count
from handful.deploy.bundle import Bundle, is_bundle, load
from handful.errors import HandfulError
from handful.evaluation.played import check_fit
from handful.export.rebuilding import rebuilt_policies
from handful.learner import LEARNERS, Learner
from handful.learner.modules import ModuleStack
from handful.learner.policies import Policies
from handful.learner.policies_file import digest_of_policies, load_policies, unshared
from handful.learner.squashed import SquashedActor
from handful.methods import AUTO, AssignmentMethod
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.training.config import LEARNER, TrainConfig, find_preset
from handful.training.starting.start_settings import StartSettings

CAN_START = "em, soft-em, end-to-end, fixed or random"
"""The methods that can start from given policies, for sentences."""


@dataclass(frozen=True, eq=False)
class Given:
    """Policies that a run starts from.

    Attributes:
        policies: the policies, which share no layers.
        config: the settings of the run that trained them; None if it is not known.
        settings: what the run keeps of them.
        learner: the name of the learner that trained them, if it is all that is known of it.
    """

    policies: Policies
    config: TrainConfig | None
    settings: StartSettings
    learner: str | None = None

    def learner_settings(
        self, problem: RMDP, num_policies: int, preset: str, asked: str | Learner | None
    ) -> dict[str, Any]:
        """Return the settings of a learner whose networks are like those of the policies.

        They are those of the run that trained the policies, if it is known and no other learner is
        asked for.

        Args:
            problem: the problem that is trained on.
            num_policies: ``K``.
            preset: the name of the preset.
            asked: the learner that the caller asks for, or None.

        Returns:
            the settings by name, with the learner's own name as ``learner``.
        """
        found: dict[str, Any] = {}
        if isinstance(asked, Learner):
            name, found = LEARNERS.describe(asked)
        elif isinstance(asked, str):
            name = asked
        elif self.config is not None:
            name, found = LEARNERS.describe(self.config.learner)
            found = {**found, **dataclasses.asdict(self.config.collect)}
        elif self.learner is not None:
            name = self.learner
        elif isinstance(self.policies.actor, SquashedActor):
            name = "sac"
        else:
            known = find_preset(preset)
            name = dict(problem.learner_settings(num_policies, known)).get(LEARNER, "ppo")
        has = field_names(LEARNERS.find(name))
        like = {n: value for n, value in self._shape().items() if n in has}
        return {**found, **like, LEARNER: name}

    def _shape(self) -> dict[str, Any]:
        stack = self.policies.actor.stack
        shape: dict[str, Any] = {
            "share_hidden": False,
            "family": False,
            "normalize_observations": bool(np.isfinite(self.policies.normalizer.clip)),
        }
        if isinstance(stack, ModuleStack):
            return {**shape, "actor_network": stack.blueprint.name}
        return {**shape, "hidden_sizes": tuple(one.weight.shape[-1] for one in stack.hidden)}

    def method_settings(
        self, method: str | AssignmentMethod, own: dict[str, Any] | None
    ) -> tuple[str | AssignmentMethod, dict[str, Any] | None]:
        """Return the method that goes on with the policies, and its settings.

        Args:
            method: the method that the caller asks for; ``auto`` is that of the run which trained
                the policies, if it can start from them, and else ``em``.
            own: the settings that the caller asks for.
        """
        if method != AUTO:
            return method, own
        if self.config is None or self.config.make_method().info.begins_anew:
            return "em", own
        return self.config.method, {**self.config.method_settings, **(own or {})}


def read_start(source: Any, frozen: Sequence[int], problem: RMDP, num_policies: int) -> Given:
    """Return the policies that a run shall start from.

    Args:
        source: a result of training, the path of the folder of a finished run, a bundle or its
            path, or :class:`~handful.Policies`.
        frozen: the numbers of the policies that shall stay as they are.
        problem: the problem that is trained on.
        num_policies: ``K``: at least as many as there are policies. Further ones begin new.

    Raises:
        HandfulError: if the source is none of these, the run is not finished or damaged, the
            policies do not fit the problem or the budget, or the numbers name no policies.
    """
    config, learner = None, None
    if isinstance(source, str | Path) and is_bundle(Path(source)):
        source = load(source)
    if isinstance(source, Bundle):
        policies, learner = rebuilt_policies(source, problem), _learner_of(source)
    elif isinstance(source, str | Path):
        folder = RunFolder(source)
        folder.read_evaluation()  # the policies are those that it is bound to
        config = TrainConfig.from_dict(folder.read_config()["settings"])
        policies = load_policies(folder.policies, getattr(config.learner, "actor_network", None))
    elif isinstance(source, Policies):
        policies = source
    elif isinstance(getattr(source, "policies", None), Policies):
        policies, config = source.policies, getattr(source, "config", None)
    else:
        raise HandfulError(
            f"A run starts from a result of training, the folder of a finished run, a bundle, or "
            f"Policies, not from an object of the class {type(source).__name__}."
        )
    check_fit(problem, policies)
    num_given = policies.num_policies
    if num_given > num_policies:
        raise HandfulError(
            f"The run would start from {count(num_given, 'policy')}, and its budget is "
            f"{num_policies}: ask for at least {num_given} policies, or take some of them with "
            f"policies.take(numbers)."
        )
    numbers = _checked_numbers(frozen, num_given)
    if len(numbers) == num_policies:
        raise HandfulError(
            "All policies are frozen, so that there is nothing to train: freeze fewer, or measure "
            "them with handful.evaluate."
        )
    apart = unshared(policies)
    digest = digest_of_policies(apart)
    return Given(apart, config, StartSettings(num_given, numbers, digest), learner)


def _learner_of(bundle: Bundle) -> str | None:
    """Return the name of the learner that trained a bundle's policies, if this program has it.

    A bundle may come from a stranger: none of its settings are taken, and no code that it names.
    """
    name = bundle.manifest["training"].get("learner")
    return name if isinstance(name, str) and name in LEARNERS else None


def _checked_numbers(frozen: Sequence[int], num_given: int) -> tuple[int, ...]:
    check_kind("frozen", frozen, Sequence)
    for number in frozen:
        check_kind("A frozen policy's number", number, int)
        if not 0 <= number < num_given:
            raise HandfulError(
                f"There is no policy {number} to freeze: those that the run starts from have the "
                f"numbers 0 to {num_given - 1}."
            )
    return tuple(sorted(set(frozen)))
