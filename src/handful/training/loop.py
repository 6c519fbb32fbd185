"""The host loop: runs steps, tells callbacks, saves, and hands out the result."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from handful.collect.rollout import run_episodes
from handful.errors import HandfulError
from handful.evaluation.gap import measure_gap
from handful.evaluation.returns import Evaluation, evaluate
from handful.learner.config import preset as learner_preset
from handful.learner.parallel import core_mesh, replicate, shapes_on
from handful.learner.policies import Policies
from handful.problem import RMDP, make
from handful.runs import RunFolder
from handful.training.callbacks import Callback, MetricsFile, Report
from handful.training.checkpoint import load_state, save_state
from handful.training.config import TrainConfig
from handful.training.preflight import check_shapes
from handful.training.record import describe_run, evaluation_record, write_results
from handful.training.signals import StopRequest, TrainingInterrupted
from handful.training.state import Snapshot, TrainState, init_policies, init_state
from handful.training.step import StepMetrics, train_step
from handful.types import NumpyArray

CHECKPOINT_EVERY = 30.0
"""Seconds of training that a kill can cost at most."""

EVALUATION_EPISODES = 100

RATE_WINDOW = 20
"""Updates over which the rate is averaged."""


@dataclass(frozen=True)
class TrainResult:
    """Trained policies, who gets which, and how good that is.

    Attributes:
        problem: what was trained on.
        config: the run's settings.
        policies: the ``K`` policies; ``policies.act(observation, policy=2)``.
        assignment: [N] each user's policy.
        alpha: [N, K] each user's distribution over policies, as the method left it.
        evaluation: on fresh episodes.
        folder: where the run was kept, if anywhere.
    """

    problem: RMDP
    config: TrainConfig
    policies: Policies
    assignment: NumpyArray
    alpha: NumpyArray
    evaluation: Evaluation
    folder: Path | None


def train(
    problem: RMDP,
    num_policies: int,
    method: str = "em",
    *,
    steps: int = 1_000_000,
    seed: int = 0,
    preset: str = "paper",
    settings: dict[str, Any] | None = None,
    method_settings: dict[str, Any] | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> TrainResult:
    """Train ``num_policies`` policies for a population and decide who gets which.

    Args:
        problem: from :func:`handful.make`, or your own :class:`~handful.problem.RMDP`.
        num_policies: the budget, from 1 to the number of users.
        method: the assignment method's name.
        steps: transitions per policy.
        seed: of everything random in training; the same seed gives the same result.
        preset: the learner's settings by name, ``paper`` or ``fast``.
        settings: learner settings that differ from the preset and from what the problem asks for
            (:class:`~handful.learner.config.PPOConfig`).
        method_settings: settings of the method that differ from its defaults.
        out: a new folder to keep the run in; without one nothing is written.
        callbacks: told after every update.

    Raises:
        HandfulError: for anything in the request or the problem that the caller can mend.
        TrainingInterrupted: on Ctrl-C or SIGTERM, once the state is saved.
    """
    config = TrainConfig(
        num_policies=num_policies,
        method=method,
        method_settings=method_settings or {},
        steps=steps,
        seed=seed,
        ppo=learner_preset(preset, **{**problem.learner_settings, **(settings or {})}),
    )
    return train_with_config(problem, config, out, callbacks)


def train_with_config(
    problem: RMDP,
    config: TrainConfig,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> TrainResult:
    """:func:`train` with its settings put together already."""
    problem.check_budget(config.num_policies)
    check_shapes(problem)
    folder = None
    if out is not None:
        folder = RunFolder(out)
        folder.create(describe_run(problem, config))
    try:
        return _run(problem, config, None, folder, callbacks)
    except HandfulError:
        if folder is not None and not folder.checkpoint.exists():
            folder.remove()  # it failed before there was anything to keep
        raise


def resume(
    path: str | Path, problem: RMDP | None = None, callbacks: Sequence[Callback] = ()
) -> TrainResult:
    """Continue a run from its last checkpoint; it ends as if it had never been stopped.

    Args:
        path: the run folder. A finished run is read, not trained further.
        problem: needed only where the run's problem has no name to make it by.

    Raises:
        HandfulError: if there is no run there, or it does not fit.
        TrainingInterrupted: on Ctrl-C or SIGTERM, once the state is saved.
    """
    folder, problem, config = open_run(path, problem)
    state = None  # stopped before its first checkpoint
    if folder.checkpoint.is_file():
        state = load_run_state(folder, problem, config)
    return _run(problem, config, state, folder, callbacks)


def open_run(path: str | Path, problem: RMDP | None = None) -> tuple[RunFolder, RMDP, TrainConfig]:
    """A run folder's problem and settings.

    Raises:
        HandfulError: if there is no run there, or it does not fit.
    """
    folder = RunFolder(path)
    stored = folder.read_config()
    try:
        described, settings = stored["problem"], stored["settings"]
        name, parameters = described["name"], described["parameters"]
    except (KeyError, TypeError) as error:
        raise HandfulError(
            f"'{folder.config}' is damaged or of another version: it lacks {error}."
        ) from None
    config = TrainConfig.from_dict(settings)
    if problem is None:
        if name == "custom":
            raise HandfulError(
                f"The run in '{path}' was trained on a problem without a name: open it from "
                f"Python and pass the problem."
            )
        problem = make(name, **parameters)
    return folder, problem, config


def load_run_state(folder: RunFolder, problem: RMDP, config: TrainConfig) -> TrainState:
    """A run's state at its latest checkpoint.

    Raises:
        HandfulError: if there is none, or it does not fit the settings.
    """
    return load_state(folder.checkpoint, jax.eval_shape(lambda: init_state(problem, config)))


def _run(
    problem: RMDP,
    config: TrainConfig,
    state: TrainState | None,
    folder: RunFolder | None,
    callbacks: Sequence[Callback],
) -> TrainResult:
    """Train what is left (all of it where there is no state yet), evaluate, write the results."""
    done = 0 if state is None else int(state.update)
    seconds = _seconds_before(folder, done)
    if state is None or done < config.num_updates:
        with ExitStack() as stack:
            if folder is not None:
                callbacks = [MetricsFile(folder, done), *callbacks]
            for callback in callbacks:
                stack.enter_context(callback)
            stop = stack.enter_context(StopRequest())
            state, seconds = _train(problem, config, state, folder, callbacks, stop, seconds)

    chosen = state.chosen(config)
    policies = chosen.policies(problem)
    alpha = np.asarray(config.make_method().weights(chosen.assignment))
    evaluation = evaluate(
        problem, policies, alpha, seed=config.seed, num_episodes=EVALUATION_EPISODES
    )
    if folder is not None and not folder.is_finished:
        gap = measure_gap(problem, config.num_policies, evaluation.welfare)
        training = {"transitions": int(state.update) * config.ppo.batch_size, "seconds": seconds}
        record = evaluation_record(problem, evaluation, gap, training)
        write_results(folder, problem, policies, alpha, record)
    path = None if folder is None else folder.path
    return TrainResult(problem, config, policies, evaluation.assignment, alpha, evaluation, path)


def _train(
    problem: RMDP,
    config: TrainConfig,
    state: TrainState | None,
    folder: RunFolder | None,
    callbacks: Sequence[Callback],
    stop: StopRequest,
    seconds_before: float,
) -> tuple[TrainState, float]:
    """Run the remaining updates; the state after them and the seconds spent in all."""
    clock, mesh = _Clock(seconds_before), core_mesh()
    with ThreadPoolExecutor(1) as pool:  # two compilations, side by side
        compilation = pool.submit(compile_step, problem, config, mesh)
        state = replicate(state or init_state(problem, config), mesh)
        step = compilation.result()
    intervene_at = config.make_method().intervention_update(config.num_updates, config.num_policies)
    first, saved_at = int(state.update), time.monotonic()
    for update in range(first + 1, config.num_updates + 1):
        if update - 1 == intervene_at:
            state = replicate(_intervene(problem, config, state), mesh)
        state, metrics = step(state)
        metrics = jax.device_get(metrics)
        seconds = clock.tick()
        _check_finite(problem, metrics, update, folder)
        transitions = update * config.ppo.batch_size
        rate = clock.updates_per_second() * config.ppo.batch_size * config.num_policies
        report = Report(
            update, config.num_updates, transitions, rate, seconds, metrics_record(metrics)
        )
        for callback in callbacks:
            callback.on_update(report)
        is_last = update == config.num_updates
        asked_by = stop.signal_number  # read once: whoever stops has saved
        due = time.monotonic() - saved_at > CHECKPOINT_EVERY
        if folder is not None and (is_last or due or asked_by is not None):
            save_state(folder.checkpoint, state)
            saved_at = time.monotonic()
        if asked_by is not None and not is_last:
            raise _interrupted(folder, transitions, asked_by)
    return state, clock.seconds


def compile_step(
    problem: RMDP, config: TrainConfig, mesh: Mesh | None
) -> Callable[[TrainState], tuple[TrainState, StepMetrics]]:
    """:func:`~handful.training.step.train_step` as a program; it consumes the state it is given."""
    step = partial(
        train_step, problem=problem, config=config, method=config.make_method(), mesh=mesh
    )
    state = shapes_on(jax.eval_shape(lambda: init_state(problem, config)), mesh)
    return jax.jit(step, donate_argnums=0).lower(state).compile()


def _intervene(problem: RMDP, config: TrainConfig, state: TrainState) -> TrainState:
    """Let the method decide on the host, with episodes of the policies as they are."""
    key, episodes_key, method_key, restart_key = jax.random.split(state.key, 4)
    method = config.make_method()

    def trajectories(policy: int, num_episodes: int) -> NumpyArray:
        run: Callable[..., Any] = jax.jit(
            partial(
                run_episodes,
                problem=problem,
                num_policies=config.num_policies,
                num_episodes=num_episodes,
                deterministic=False,
                trace=True,
            )
        )
        features = np.asarray(run(episodes_key, policy_fn=state.policies(problem)).features)
        steps = features[:, policy].reshape(-1, problem.num_features)
        return problem.population.returns(steps).T

    decision = method.intervene(method_key, state.assignment, trajectories)
    learner, collector, table, best = state.learner, state.collector, state.table, state.best
    if decision.restart:
        parameters = method.parameters(decision.state)
        learner, collector, table = init_policies(restart_key, problem, config, parameters)
        best = Snapshot.worthless(learner, decision.state)
    return TrainState(key, state.update, learner, collector, table, decision.state, best)


def metrics_record(metrics: StepMetrics) -> dict[str, Any]:
    """An iteration's metrics as plain numbers and lists by policy."""
    actor = metrics.learner.actor
    return {
        "welfare": float(metrics.welfare),
        "best_welfare": float(metrics.best_welfare),
        "learning_rate": float(metrics.learning_rate),
        "entropy_coefficient": float(metrics.entropy_coefficient),
        "users": metrics.users.tolist(),
        "episodes": metrics.episodes.tolist(),
        "entropy": actor.entropy.tolist(),
        "approx_kl": actor.approx_kl.tolist(),
        "clip_fraction": actor.clip_fraction.tolist(),
        "critic_loss": metrics.learner.critic_loss.tolist(),
    }


def _check_finite(
    problem: RMDP, metrics: StepMetrics, update: int, folder: RunFolder | None
) -> None:
    kept = ""
    if folder is not None and folder.checkpoint.exists():
        kept = f"; the last good checkpoint in '{folder.path}' is kept"
    if not metrics.finite_features.all():
        feature = int(np.argmin(metrics.finite_features))
        owner = ""
        if problem.num_features == problem.num_users:
            owner = f" (of user '{problem.population.user_ids[feature]}')"
        raise HandfulError(
            f"Reward feature {feature}{owner} was not a finite number in update {update}{kept}: "
            f"reward functions must return finite numbers for every outcome."
        )
    if not metrics.finite_policies.all():
        policy = int(np.argmin(metrics.finite_policies))
        raise HandfulError(
            f"Policy {policy}'s loss was not a finite number in update {update}{kept}: look for "
            f"NaN in the observations, or lower the learning rate."
        )


def _interrupted(
    folder: RunFolder | None, transitions: int, signal_number: int
) -> TrainingInterrupted:
    message = f"Stopped after {transitions:,} transitions per policy"
    if folder is not None:
        message += f"; continue with: handful resume {folder.path}"
    return TrainingInterrupted(message + ".", signal_number)


def _seconds_before(folder: RunFolder | None, update: int) -> float:
    """Training time of the updates that a run continues from."""
    if folder is None:
        return 0.0
    return max((r["seconds"] for r in folder.read_metrics() if r["update"] <= update), default=0.0)


class _Clock:
    """Seconds of training, and the pace of the latest updates."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.perf_counter() - seconds_before
        self._ticks: list[float] = []
        self.seconds = seconds_before

    def tick(self) -> float:
        self.seconds = time.perf_counter() - self._start
        self._ticks = [*self._ticks[-RATE_WINDOW:], self.seconds]
        return self.seconds

    def updates_per_second(self) -> float:
        if len(self._ticks) < 2:
            return 0.0
        return (len(self._ticks) - 1) / (self._ticks[-1] - self._ticks[0])
