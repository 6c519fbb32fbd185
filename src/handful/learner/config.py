"""Every number of the learner, with the paper's values as defaults (appendix B)."""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from handful._support.checks import brief, check_kind, check_numbers, check_range
from handful.errors import HandfulError
from handful.learner.networks import Sharing
from handful.types import Preset

MOST_TRANSITIONS = 2**27
"""Of a batch: each takes some hundred bytes a policy."""

MOST_WEIGHTS = 2**28
"""Between a network's hidden layers: a gigabyte."""

MOST_LAYERS = 100


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of PPO for ``K`` policies.

    Attributes:
        learning_rate: Adam's step size for actors and critics at the start.
        final_learning_rate: at the end; it falls linearly with the transitions.
        entropy_coefficient: weight of the entropy bonus (nats) at the start.
        final_entropy_coefficient: at the end; it falls linearly too.
        discount: of what policies are trained for, above 0 and at most 1; None takes the problem's.
        gae_lambda: of generalised advantage estimation, 0 to 1.
        clip_range: how far the probability ratio may leave 1 before its gradient stops.
        num_envs: environments a policy steps side by side.
        short_episodes: steps after which episodes in half of these environments are cut, so that
            policies see their beginnings more often (:mod:`handful.collect.jax_rollout`);
            None for none.
        batch_size: transitions a policy an update.
        minibatch_size: transitions a policy a gradient step.
        num_epochs: passes over the batch an update.
        hidden_sizes: widths of the hidden layers, all tanh.
        initial_log_std: of continuous actions, the logarithm of the standard deviation that they
            start with.
        learnable_log_std: whether that is learnt; else it stays as it starts.
        random_actions: probability with which a policy of finite actions takes any action while it
            trains, all of them alike; the policies that are handed out take none.
        share_hidden: share the hidden layers among actors, and among critics.
        family: actors share everything but the first layer's biases
            (:attr:`~handful.learner.networks.Sharing.FAMILY`), and observations are normalised
            alike, whatever ``share_hidden`` says. Critics, who judge one policy each for every
            user, share nothing then, nor do policies the spread of continuous actions.
        normalize_observations: by each policy's own running mean and variance, or the family's, and
            clip them to ten standard deviations; else they are taken as they are.
        max_grad_norm: gradients are scaled down to this norm (times the square root of ``K`` where
            the policies share layers, so that a policy's part does not shrink with the budget).
        adam_epsilon: Adam's epsilon.
        counts: learn from counts of all transitions so far instead of by gradients
            (:mod:`handful.learner.counting`), where observations are numbered. Of the settings
            above only these then have a meaning: ``discount``, ``num_envs``, ``short_episodes``,
            ``batch_size`` and ``random_actions`` are what they are, ``num_epochs`` are steps of
            policy iteration an update, the entropy coefficient is the temperature of the policies'
            softmax as a share of the return scale.
        actor_network, critic_network: the names of the builders of the caller's own networks
            (:mod:`handful.learner.builders`); None for the library's own. Own networks share
            nothing, so that ``share_hidden`` then has no meaning, nor has ``hidden_sizes`` for the
            network that it replaces.

    Raises:
        HandfulError: if a number is out of its range or the batch does not divide evenly.
    """

    learning_rate: float = 3e-4
    final_learning_rate: float = 1e-4
    entropy_coefficient: float = 1e-3
    final_entropy_coefficient: float = 1e-3
    discount: float | None = None
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    num_envs: int = 32
    short_episodes: int | None = None
    batch_size: int = 2048
    minibatch_size: int = 64
    num_epochs: int = 10
    hidden_sizes: tuple[int, ...] = (64,)
    initial_log_std: float = 0.0
    learnable_log_std: bool = True
    random_actions: float = 0.0
    share_hidden: bool = True
    family: bool = False
    normalize_observations: bool = True
    max_grad_norm: float = 0.5
    adam_epsilon: float = 1e-5
    counts: bool = False
    actor_network: str | None = None
    critic_network: str | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_sizes(self.hidden_sizes)
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        for name in ("num_envs", "batch_size", "minibatch_size", "num_epochs"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
            check_range(name, getattr(self, name), 1, MOST_TRANSITIONS)
        for name in ("learning_rate", "max_grad_norm", "adam_epsilon", "clip_range"):
            _require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in (
            "final_learning_rate",
            "entropy_coefficient",
            "final_entropy_coefficient",
        ):
            _require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        _require(
            self.discount is None or 0 < self.discount <= 1,
            "discount",
            "above 0 and at most 1",
            self.discount,
        )
        if self.short_episodes is not None:
            short = self.short_episodes
            _require(short >= 1, "short_episodes", "at least 1, or None", short)
            check_range("short_episodes", short, 1, 2**31 - 1)
            if self.num_envs < 2:
                raise HandfulError(
                    "short_episodes is for half of the environments: give num_envs at least 2."
                )
        _require(0 <= self.gae_lambda <= 1, "gae_lambda", "between 0 and 1", self.gae_lambda)
        share = self.random_actions
        _require(0 <= share < 1, "random_actions", "at least 0 and below 1", share)
        if self.family and not self.hidden_sizes:
            raise HandfulError(
                "The actors of a family share all but a hidden layer's biases: give hidden_sizes "
                "at least one width, or set family to false."
            )
        for name in ("actor_network", "critic_network"):
            check_kind(name, getattr(self, name), str | None)
        if self.family and self.actor_network is not None:
            raise HandfulError(
                "The actors of a family share all but the biases of a first layer, which a network "
                "of your own need not have: set family to false, or choose a method whose policies "
                "are no family."
            )
        for divisor in ("num_envs", "minibatch_size"):
            if self.batch_size % getattr(self, divisor):
                raise HandfulError(
                    f"batch_size ({self.batch_size}) must be a multiple of {divisor} "
                    f"({getattr(self, divisor)})."
                )

    @property
    def sharing(self) -> Sharing:
        """Which layers the actors have in common: none where a network is the caller's own."""
        if self.family:
            return Sharing.FAMILY
        if self.has_own_network:
            return Sharing.NOTHING
        return Sharing.HIDDEN if self.share_hidden else Sharing.NOTHING

    @property
    def critic_sharing(self) -> Sharing:
        """Which layers the critics have in common."""
        return Sharing.NOTHING if self.family else self.sharing

    @property
    def has_own_network(self) -> bool:
        """Whether actors or critics are networks of the caller's own."""
        return self.actor_network is not None or self.critic_network is not None

    @property
    def num_steps(self) -> int:
        """``T``: steps of each environment an update."""
        return self.batch_size // self.num_envs

    @property
    def num_minibatches(self) -> int:
        """Gradient steps an epoch."""
        return self.batch_size // self.minibatch_size


def _require(holds: bool, name: str, range_: str, value: Any) -> None:
    if not holds:  # written so that NaN fails too
        raise HandfulError(f"{name} must be {range_}, not {value}.")


def _check_sizes(sizes: Any) -> None:
    is_list = isinstance(sizes, list | tuple)
    if not is_list or not all(type(size) is int and size >= 1 for size in sizes):
        raise HandfulError(
            f"hidden_sizes must be a list of widths of at least 1, like [64, 64], not "
            f"{brief(sizes)}."
        )
    weights = sum(one * other for one, other in pairwise(sizes)) + sum(sizes)
    if weights > MOST_WEIGHTS or len(sizes) > MOST_LAYERS:
        raise HandfulError(
            f"hidden_sizes must be at most {MOST_LAYERS} layers with {MOST_WEIGHTS:,} weights "
            f"among them, not {brief(sizes)}."
        )


PRESETS: dict[str, PPOConfig] = {
    "paper": PPOConfig(),
    "fast": PPOConfig(
        learning_rate=1e-3,
        num_envs=64,
        minibatch_size=128,
        num_epochs=4,
        share_hidden=False,
    ),
}
"""Named settings: ``paper`` is the paper's, ``fast`` needs less time or fewer transitions, and is
what our own methods were measured with."""


_FAST = ("fast",)
"""The presets that save time or transitions."""


def find_preset(name: str) -> Preset:
    """What a problem may know of the preset with this name.

    Raises:
        HandfulError: if there is no such preset.
    """
    if name not in PRESETS:
        raise HandfulError(f"There is no preset named '{name}': choose from {', '.join(PRESETS)}.")
    return Preset(name, name in _FAST)


def preset(name: str, /, **changes: Any) -> PPOConfig:
    """A named setting with some of its numbers changed.

    Raises:
        HandfulError: for a name or a number that does not exist, or a value out of range.
    """
    find_preset(name)
    known = {field.name for field in dataclasses.fields(PPOConfig)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise HandfulError(
            f"The learner has no setting named '{unknown[0]}': choose from "
            f"{', '.join(sorted(known))}."
        )
    return dataclasses.replace(PRESETS[name], **changes)
