"""The function that the loop calls for each update, for environments of either kind."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.backend import computing
from handful.collect.acting import HostPolicies
from handful.collect.host_rollout import HostCollector, HostCollectorState, HostExperience
from handful.devices import usable_cores
from handful.environment import Discrete
from handful.learner.parallel import replicate, shapes_on
from handful.training.run import Run
from handful.training.state import TrainState, init_state
from handful.training.step import StepMetrics, learn_step, train_step
from handful.types import Array, Key, PyTree

Keys = Key[Array, " K"]

ENVIRONMENT_STREAM = 0xE27
"""The number that separates the seed of environments on the host from all other seeds."""


@runtime_checkable
class Stepper(Protocol):
    """A function from a state to the next one. It consumes the state that it gets."""

    def __enter__(self) -> "Stepper": ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, state: TrainState) -> tuple[TrainState, StepMetrics]:
        """Run one iteration of training."""
        ...

    def restart(self) -> None:
        """Start new episodes everywhere, because the next state does not continue the last one."""
        ...


@computing
def open_stepper(run: Run) -> Stepper:
    """Compile the programs of an update, and open environments on the host.

    Raises:
        HandfulError: if the environments cannot be opened.
    """
    if run.problem.runs_on_host:
        return HostStepper(run)
    return CompiledStepper(run)


class CompiledStepper:
    """The stepper for environments in JAX, in which collecting and learning are one program."""

    def __init__(self, run: Run) -> None:
        self._step = _compile(train_step, run)

    def __enter__(self) -> "CompiledStepper":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, state: TrainState) -> tuple[TrainState, StepMetrics]:
        """Run the program."""
        return self._step(state)

    def restart(self) -> None:
        """Do nothing: the environments are part of the state."""


class HostStepper:
    """The stepper for environments on the host, which collects a batch and then learns from it.

    With ``config.overlap``, the next batch is collected while the policies learn from this one, by
    the policies from before that update. So every batch but the first is one update old. PPO's
    probability ratios are relative to the policies that did collect the batch.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._collector: HostCollector | None = None
        self._episodes_are_new = True
        self._ahead: Future[tuple[Keys, HostExperience]] | None = None
        self._open = ExitStack()
        self._pool = self._open.enter_context(ThreadPoolExecutor(1))
        self._learn = _compile(learn_step, run, *_batch_shapes(run))

    def __enter__(self) -> "HostStepper":
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_what_is_ahead()
        self._open.close()

    def restart(self) -> None:
        """Drop the batch that was collected ahead; the next call starts new episodes."""
        self._drop_what_is_ahead()
        if self._collector is not None:
            self._collector.restart()
        self._episodes_are_new = True

    def _drop_what_is_ahead(self) -> None:
        if self._ahead is not None:
            wait([self._ahead])  # with any outcome: the environments must stand still
            self._ahead = None

    def __call__(self, state: TrainState) -> tuple[TrainState, StepMetrics]:
        """Collect a batch and learn from it."""
        if self._collector is None:
            self._collector = self._open_environments(int(state.update))
        if self._episodes_are_new:
            assert isinstance(state.collector, HostCollectorState)
            state = dataclasses.replace(state, collector=state.collector.with_new_episodes())
            self._episodes_are_new = False
        if self._ahead is None:
            # The keys are on one device: noise is too little work for two.
            keys = state.collector.keys.addressable_data(0)
            keys, batch = self._collect(state.policies(self._run.problem).on_host(), keys)
        else:
            keys, batch = self._ahead.result()
        if self._run.config.overlap:
            policies = state.policies(self._run.problem).on_host()
            self._ahead = self._pool.submit(self._collect, policies, keys)
        return self._learn(state, *replicate((keys, batch), self._run.mesh))

    @computing
    def _collect(self, policies: HostPolicies, keys: Keys) -> tuple[Keys, HostExperience]:
        assert self._collector is not None
        return self._collector.collect(policies, keys, self._run.config.collect.num_steps)

    def _open_environments(self, update: int) -> HostCollector:
        """Return the environments, in new episodes: a checkpoint does not hold where they were."""
        config = self._run.config
        seed = np.random.SeedSequence([config.seed, update, ENVIRONMENT_STREAM])
        return self._open.enter_context(
            HostCollector(
                self._run.learnt.host_environment,
                len(config.players),
                config.collect.num_envs,
                int(seed.generate_state(1)[0] >> 1),  # simulators take seeds of 31 bits
                min(config.threads or usable_cores(), usable_cores()),
                config.collect.short_episodes,
            )
        )


def _compile(
    step: Callable[..., Any], run: Run, *more: PyTree
) -> Callable[..., tuple[TrainState, StepMetrics]]:
    """Compile a step into a program that consumes its state, for ``more`` inputs."""
    program = partial(step, run=run)
    state = jax.eval_shape(lambda: init_state(run))
    shapes = shapes_on((state, *more), run.mesh)
    return jax.jit(program, donate_argnums=0).lower(*shapes).compile()


def _batch_shapes(run: Run) -> tuple[PyTree, PyTree]:
    """Return what a collector gives for an update, as shapes."""
    environment: Any = run.problem.host_environment
    config = run.config
    space = environment.action_space
    shape = (config.collect.num_steps, len(config.players), config.collect.num_envs)

    def array(dtype: Any, *more: int) -> Any:
        return jax.ShapeDtypeStruct((*shape, *more), dtype)

    is_discrete = isinstance(space, Discrete)
    batch = HostExperience(
        observations=array(jnp.float32, environment.observation_size),
        actions=array(jnp.int32) if is_discrete else array(jnp.float32, space.size),
        log_probs=array(jnp.float32),
        outcomes=jax.tree.map(
            lambda leaf: array(leaf.dtype, *leaf.shape), environment.outcome_shape()
        ),
        next_observations=array(jnp.float32, environment.observation_size),
        terminated=array(jnp.bool_),
        truncated=array(jnp.bool_),
        whole=array(jnp.bool_),
    )
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), len(config.players)))
    return keys, batch
