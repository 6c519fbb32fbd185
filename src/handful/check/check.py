"""The conformance check, which plays an environment at random and reports what it finds."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.backend import computing
from handful._support.foreign import in_same_directory
from handful.check.dynamics import (
    check_actions,
    check_chance,
    check_ends,
    check_process,
    check_repeats,
)
from handful.check.findings import CHECKS, DEFECT, Conformance, Defect, Finding
from handful.check.observations import check_features, check_observations
from handful.check.play import Episode, Player
from handful.check.ranges import check_action_range
from handful.environment import Environment, HostEnvironment, outcome_shape
from handful.envs.gym.environment import check_time_limit
from handful.envs.gym.features import Features, find_features
from handful.envs.gym.features import feature_names as name_features
from handful.envs.gym.probe import own_time_limit
from handful.envs.gym.problem import find_any_source
from handful.envs.gym.sources import NotFoundError, Source, build, close, import_gymnasium
from handful.envs.gym.spaces import ActionRange, Flattener, ObservationOffset, read_action_space
from handful.envs.gym.worker import Blueprint
from handful.errors import HandfulError
from handful.population import Population
from handful.problem import RMDP, make, tasks

STEPS = 1_000
"""The number of random steps that are looked at, in whole episodes."""

PATIENCE = 20_000
"""The most random steps before a first end of an episode, if no time limit is known."""

REGISTRIES = {"gymnasium": "", "mo-gymnasium": "mo_gymnasium"}
"""The families of tasks, and the module that registers their environments."""

SECONDS = 10.0
"""The most seconds for these steps."""


@dataclass
class _Subject:
    """An environment under examination, and the observations of it so far."""

    source: Source
    features: Features
    names: Sequence[str]
    env: Any
    player: Player
    flattener: Flattener
    own_limit: int | None
    given_limit: int | None
    action_range: ActionRange
    observation_offset: ObservationOffset
    episodes: list[Episode] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def limit(self) -> int | None:
        limits = [limit for limit in (self.own_limit, self.given_limit) if limit is not None]
        return min(limits) if limits else None


@computing
@in_same_directory
def check_env(
    env: Any,
    *,
    features: Any = None,
    feature_names: Sequence[str] = (),
    time_limit: int | None = None,
    vectorized: bool = False,
    options: dict[str, Any] | None = None,
    action_range: ActionRange = None,
    observation_offset: ObservationOffset = None,
) -> Conformance:
    """Check whether an environment does what training relies on.

    It is played at random for about a thousand steps, in this process and partly in another.

    Args:
        env: an environment that :func:`handful.from_gymnasium` takes (the other arguments mean the
            same here as there); or a task's name, a problem (:class:`~handful.problem.RMDP`), or an
            environment of the library's own kinds.

    Returns:
        the findings, each with what to mend.

    Raises:
        HandfulError: if the request makes no sense. Faults of the environment are in the result.

    Examples:
        >>> handful.check_env("CartPole-v1").passed
        True
    """
    if time_limit is not None:
        check_time_limit(time_limit, None, "")
    import_gymnasium()  # every check needs it
    chosen = find_features(features)
    source, own_limit = _source(env, vectorized, options)
    try:
        subject = _open(
            source, chosen, feature_names, own_limit, time_limit, action_range, observation_offset
        )
    except NotFoundError:
        raise
    except HandfulError as error:
        return _result(source.label, [Defect("made", str(error)).finding], {"made"})
    findings: list[Finding] = []
    looked_at = {"made"}
    try:
        for checks, look in _stages(subject, findings):
            findings += look()
            looked_at |= set(checks)
    except Defect as defect:
        findings.append(defect.finding)
        looked_at.add(defect.finding.check)
    finally:
        close(subject.env)
    return _result(source.label, findings, looked_at, subject)


def _source(env: Any, vectorized: bool, options: Any) -> tuple[Source, int | None]:
    """Return what makes copies, and the time limit that is known without one.

    Raises:
        HandfulError: if the request makes no sense: no environment is made yet.
    """
    if isinstance(env, str):
        family, colon, env_id = env.partition(":")
        if colon and family in REGISTRIES:
            return find_any_source(env_id, vectorized, options, REGISTRIES[family]), None
        if any(env == task.name for task in tasks()):
            env = make(env, **(options or {}))
    if isinstance(env, Environment | HostEnvironment):
        env = RMDP(env, all_of_outcome(env))
    if isinstance(env, RMDP):
        # Imported here, because it needs Gymnasium, and this module must not.
        from handful.check.adapters import FromProblem

        return FromProblem(env), env.environment.time_limit
    return find_any_source(env, vectorized, options), None


def all_of_outcome(environment: Environment | HostEnvironment) -> Population:
    """Return a population whose features are all numbers of an outcome."""

    def flat(outcome: Any) -> Any:
        leaves = jax.tree.leaves(outcome)
        return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in leaves])

    size = jax.eval_shape(flat, outcome_shape(environment)).shape[0]
    return Population.identity(size, flat)


def _open(
    source: Source,
    features: Features,
    names: Sequence[str],
    own_limit: int | None,
    given_limit: int | None,
    action_range: ActionRange,
    observation_offset: ObservationOffset,
) -> _Subject:
    env = build(source)
    try:
        player = Player(read_action_space(env.action_space, action_range), features)
        flattener = Flattener(env.observation_space, observation_offset)
        own_limit = own_limit or own_time_limit(env)
    except AttributeError as error:
        raise HandfulError(
            f"The environment lacks a part that every environment has: {error}."
        ) from None
    except HandfulError:
        close(env)
        raise
    return _Subject(
        source,
        features,
        names,
        env,
        player,
        flattener,
        own_limit,
        given_limit,
        action_range,
        observation_offset,
    )


def _stages(subject: _Subject, findings: list[Finding]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield groups of checks, in the order in which one needs the results of another.

    Args:
        findings: the findings of the stages so far.
    """
    yield ("api", "errors", "reward", "info"), partial(_play, subject)
    yield (
        (
            "observation-shape",
            "observation-type",
            "observation-bounds",
            "finite-observations",
            "observation-digits",
            "observation-range",
            "reused-observations",
        ),
        lambda: check_observations(
            subject.env.observation_space, subject.flattener, subject.episodes
        ),
    )
    yield (
        (
            "finite-features",
            "constant-features",
            "duplicate-features",
            "feature-scales",
        ),
        lambda: check_features(subject.names, subject.episodes),
    )
    yield (
        (
            "ends",
            "time-limit",
            "truncation",
            "final-observation",
        ),
        lambda: check_ends(subject.episodes, subject.own_limit, subject.given_limit),
    )
    most = subject.limit or STEPS
    player, env = subject.player, subject.env
    yield ("errors", "actions-matter"), lambda: check_actions(player, env, most)
    yield (
        ("action-range",),
        lambda: check_action_range(player, env, subject.names, most),
    )
    yield ("fresh-chance",), lambda: check_chance(player, env)
    yield (
        (
            "deterministic",
            "same-dynamics",
            "clean-reset",
        ),
        lambda: check_repeats(player, env, lambda: build(subject.source), most),
    )
    if any(found.severity == DEFECT for found in findings):
        return  # another process would show the same
    blueprint = Blueprint(
        subject.source, subject.features, most, subject.action_range, subject.observation_offset
    )
    yield ("process",), lambda: check_process(blueprint, player, env, subject.flattener)


def _play(subject: _Subject) -> list[Finding]:
    """Play random episodes until there are enough steps, and an end if no time limit is known."""
    rng = np.random.default_rng(0)
    start, steps, seed = time.monotonic(), 0, 0
    while steps < STEPS and time.monotonic() < start + SECONDS:
        # Play past a declared limit, to see whether it holds.
        most = PATIENCE if subject.limit is None else subject.limit + 1
        episode = subject.player.play(subject.env, seed, rng, most, deadline=start + SECONDS)
        subject.episodes.append(episode)
        steps, seed = steps + len(episode), None
    subject.seconds = time.monotonic() - start
    first = subject.episodes[0].first
    assert first is not None
    subject.names = name_features(subject.features, first, subject.names)
    return []


def _result(
    label: str,
    findings: list[Finding],
    looked_at: set[str],
    subject: _Subject | None = None,
) -> Conformance:
    order = list(CHECKS)
    findings = sorted(findings, key=lambda found: order.index(found.check))
    checks = tuple(name for name in order if name in looked_at)
    if subject is None:
        return Conformance(label, tuple(findings), checks)
    steps = sum(map(len, subject.episodes))
    return Conformance(
        label,
        tuple(findings),
        checks,
        steps,
        steps / subject.seconds if subject.seconds else 0.0,
        tuple(subject.names),
        subject.limit,
    )
