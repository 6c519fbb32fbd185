"""The preparation of a run, and its checks before anything is written or trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from handful._support.backend import computing
from handful._support.digits import find_coarse_entry
from handful._support.foreign import exits_told, in_same_directory
from handful.environment import (
    Environment,
    HasRequirements,
    HostEnvironment,
    outcome_shape,
    step_shape,
)
from handful.errors import HandfulError
from handful.learner import PPO, SAC, Counting, Learner
from handful.learner.builders import Network, network_settings
from handful.learner.parallel import core_mesh
from handful.methods import METHODS, AssignmentMethod
from handful.methods.schedule import check_packages
from handful.problem import RMDP, check_problem
from handful.run_folder import RunFolder
from handful.training.config import LEARNER, TrainConfig, check_run_settings, make_config
from handful.training.fairness.claims import read_claims
from handful.training.run import Run
from handful.training.starting.start import Given, read_start
from handful.training.step import StepMetrics
from handful.training.tracing import kinds, trace_learner, trace_method
from handful.types import LearnerName, MethodName, NumpyArray, PresetName
from handful.welfare import (
    UTILITARIAN,
    WelfareFn,
    check_welfare,
    name_of_welfare,
    undefined_welfare,
)


@computing
@in_same_directory
def prepare(
    problem: RMDP,
    num_policies: int,
    method: MethodName | str | AssignmentMethod = "auto",
    *,
    learner: LearnerName | str | Learner | None = None,
    steps: int = 1_000_000,
    seed: int = 0,
    preset: PresetName | str = "paper",
    settings: dict[str, Any] | None = None,
    method_settings: dict[str, Any] | None = None,
    run_settings: dict[str, Any] | None = None,
    threads: int | None = None,
    overlap: bool = False,
    welfare: WelfareFn | str = UTILITARIAN,
    network: Network | None = None,
    groups: Any = None,
    outside: Any = None,
    floors: Any = None,
    start_from: Any = None,
    frozen: Sequence[int] = (),
) -> Run:
    """Prepare a run and check it, without training.

    The arguments are those of :func:`handful.train`.

    Returns:
        the run, for :func:`handful.init_state` and :func:`handful.train_step`, or for
        :func:`handful.train_run`.

    Raises:
        HandfulError: if the request or the problem has a fault that the caller can mend.
    """
    check_problem(problem, "prepare")
    check_run_settings(run_settings or {}, "run_settings")
    others = {"overlap": overlap, "welfare": welfare, **(run_settings or {})}
    others["welfare"] = name_of_welfare(others["welfare"])
    others["claims"] = read_claims(problem.population, groups, outside, floors)
    settings, given = {**(settings or {}), **network_settings(network)}, None
    if start_from is not None:
        problem.check_budget(num_policies)
        given = read_start(start_from, frozen, problem, num_policies)
        settings = {
            **given.learner_settings(problem, num_policies, preset, learner),
            **settings,
        }
        learner = settings.pop(LEARNER)
        method, method_settings = given.method_settings(method, method_settings)
        others["start"] = given.settings
    elif len(frozen):
        raise HandfulError(
            "Policies can be frozen only if the run starts from some: give them with start_from."
        )
    config = make_config(
        problem,
        num_policies,
        method,
        preset,
        settings,
        method_settings,
        learner,
        steps=steps,
        seed=seed,
        threads=threads,
        **others,
    )
    return checked_run(problem, config, given)


@computing
@in_same_directory
def checked_run(problem: RMDP, config: TrainConfig, given: Given | None = None) -> Run:
    """Return a run on this machine's devices, from complete settings.

    Args:
        problem: the problem.
        config: the settings.
        given: the policies that the run starts from, if its settings say that it does.

    Raises:
        HandfulError: if the problem and the settings do not fit each other.
    """
    run = Run(problem, config, core_mesh(), given)
    check_run(run)
    return run


def check_run(run: Run) -> None:
    """Check a run before anything of it is written or trained.

    Raises:
        HandfulError: if the problem, the settings and the installed packages do not fit each other.
    """
    run.problem.check_budget(run.num_policies)
    check_shapes(run.problem)
    run.learner.check(run.problem, run.num_policies)
    check_method(run)
    if type(run.learner) not in (PPO, Counting, SAC):  # the library's own learners need no check
        trace_learner(run)
    stage = run.stage
    if stage is not None:
        stage.learner.check(stage.problem, stage.num_policies)
    check_run_welfare(run)
    check_installed(run)


def check_method(run: Run) -> None:
    """Check that the method fits the problem and the learner, and the shapes of its results.

    Raises:
        HandfulError: if the problem names no outcomes that the method needs, the method learns by
            gradients that the learner does not have, or one of the method's functions gives a wrong
            result.
    """
    if run.method.trainable is not None and not run.learner.has_gradients:
        raise HandfulError(
            f"The method '{run.config.method}' learns by the policies' gradients, and this learner "
            f"has none: choose another method, or the learner 'ppo'."
        )
    if run.method.info.needs_outcomes and run.problem.constant_outcomes is None:
        raise HandfulError(
            f"The method '{run.config.method}' aims at outcomes that a policy might keep up, and "
            f"the problem '{run.problem.name}' names none: give its RMDP constant_outcomes, or "
            f"choose another method."
        )
    trace_method(run)


def check_run_welfare(run: Run) -> None:
    """Check whether the run can be trained for its welfare function.

    Raises:
        HandfulError: if the function cannot be used, or the method suits the utilitarian one alone.
    """
    if run.is_utilitarian and not run.claims:
        return
    if run.claims.outside and not run.method.info.assigns_best:
        raise HandfulError(
            f"The method '{run.config.method}' assigns users by a rule of its own, so that it "
            f"could give a user a policy below the outside option: choose em or universal."
        )
    name = run.config.welfare
    if run.method.info.only_utilitarian:
        others = [name for name, method in METHODS.items() if not method.info.only_utilitarian]
        raise HandfulError(
            f"The method '{run.config.method}' chooses by what the mean user earns, so it goes "
            f"with the welfare '{UTILITARIAN}' only, without floors and outside options, not with "
            f"{_asked(run)}: choose another method, "
            f"which may be {', '.join(others)}."
        )
    check_welfare(name, run.own_welfare, run.problem.num_users, run.problem.return_scale)


def _asked(run: Run) -> str:
    """Return what a run asks for that only suits some methods."""
    if not run.is_utilitarian and run.config.welfare != UTILITARIAN:
        return f"'{run.config.welfare}'"
    return "floors" if run.claims.floors else "outside options"


def check_installed(run: Run) -> None:
    """Check that all packages are installed which the run will need later.

    Raises:
        HandfulError: if a package is missing that the method or the environment needs.
    """
    check_packages(run.config.method, run.schedule)
    environment = run.problem.environment
    if isinstance(environment, HasRequirements):
        environment.check_installed()


def check_shapes(problem: RMDP) -> None:
    """Trace the environment and the reward features, without running them.

    Raises:
        HandfulError: if observations or features do not have the shape that they declare, a step
            leads to another kind of state than a reset, or its flags are not truth values.
    """
    environment = problem.environment
    if environment.observation_size < 1:
        raise HandfulError(
            f"The environment's observation_size must be at least 1, not "
            f"{environment.observation_size}: where there is nothing to observe, give one entry "
            f"that is always 0."
        )
    if not isinstance(environment, HostEnvironment):
        with exits_told("The environment failed in reset() or step()"):
            _check_step(environment)
    with exits_told("The population's feature function failed"):
        features = jax.eval_shape(problem.population.features, outcome_shape(environment))
    if features.shape != (problem.num_features,):
        raise HandfulError(
            f"The population's feature function gives shape {list(features.shape)}, but its "
            f"coefficient table has {problem.num_features} columns, one a feature."
        )


def _check_step(environment: Environment) -> None:
    state, start = jax.eval_shape(environment.reset, jax.random.key(0))
    following, step = step_shape(environment)
    shapes = {"first observation": start, "observation after a step": step.observation}
    for what, observation in shapes.items():
        if observation.shape != (environment.observation_size,):
            raise HandfulError(
                f"The environment's {what} has shape {list(observation.shape)}, but its "
                f"observation_size says [{environment.observation_size}]."
            )
    for name in ("terminated", "truncated"):
        flag = getattr(step, name)
        if flag.shape != () or flag.dtype != bool:
            raise HandfulError(
                f"The environment's step gives {name} as {flag.dtype} of shape "
                f"{list(flag.shape)}: it must be one truth value, a bool of shape []."
            )
    before, after = kinds(state), kinds(following)
    if before != after:
        raise HandfulError(
            f"The environment's step leads to a state of another kind than its reset: {after}, "
            f"not {before}."
        )


@contextmanager
def telling_what_is_kept(folder: RunFolder | None) -> Iterator[None]:
    """Within the block, add to an error where the run is kept as it was before, if it is."""
    try:
        yield
    except HandfulError as error:
        if folder is None or not folder.checkpoint.exists():
            raise
        raise HandfulError(
            f"{error} The last good checkpoint in '{folder.path}' is kept."
        ) from None


def check_finite(problem: RMDP, metrics: StepMetrics, update: int) -> None:
    """Check an update's rewards, users' weights and losses for NaN and infinity.

    Raises:
        HandfulError: if a number is not finite; the sentence names the reward feature (and its user
            if it has one), the welfare function, or the policy.
    """
    if not metrics.finite_features.all():
        feature = int(np.argmin(metrics.finite_features))
        owner = ""
        if problem.num_features == problem.num_users:
            owner = f" (of user '{problem.population.user_ids[feature]}')"
        raise HandfulError(
            f"Reward feature {feature}{owner} was not a finite number in update {update}: "
            f"reward functions must return finite numbers for every outcome."
        )
    if not metrics.defined_welfare:
        raise undefined_welfare(f"at the users' returns in update {update}")
    if not metrics.finite_policies.all():
        policy = int(np.argmin(metrics.finite_policies))
        raise HandfulError(
            f"Policy {policy}'s loss was not a finite number in update {update}: look for "
            f"NaN in the observations, or lower the learning rate."
        )


def check_digits(problem: RMDP, metrics: StepMetrics) -> None:
    """Check whether observations of an environment in JAX lose their variation in float32.

    Observations of environments on the host are checked before they become float32.

    Raises:
        HandfulError: if an entry does; the sentence says which, and how to mend it.
    """
    if problem.runs_on_host:
        return
    coarse = find_coarse_entry(
        metrics.lowest_observation, metrics.highest_observation, constant=True
    )
    if coarse is not None:
        raise HandfulError(
            f"{coarse}: let the environment subtract the start of a clock or a counter while it is "
            f"a whole number, divide a large quantity by its usual size, and leave out what never "
            f"varies."
        )


class EpisodeWatch:
    """A check that episodes end by the time limit that their environment declares.

    On the host the collector cuts episodes that do not. In JAX nothing does, and their returns
    would never enter the return table.
    """

    def __init__(self, run: Run) -> None:
        self._limit = run.problem.environment.time_limit
        self._num_steps = run.config.collect.num_steps
        self._is_needed = not run.problem.runs_on_host
        self._plays = np.isin(np.arange(run.num_policies), run.config.players)
        self.restart()

    def restart(self) -> None:
        """Start again, because every episode does."""
        self._steps_without_end: NumpyArray | int = 0

    def check(self, finished: NumpyArray) -> None:
        """Check an update.

        Args:
            finished: the number of episodes that each policy finished in the update, [K].

        Raises:
            HandfulError: if a policy has finished no episode for longer than the time limit.
        """
        self._steps_without_end = np.where(
            (finished > 0) | ~self._plays, 0, self._steps_without_end + self._num_steps
        )
        if self._is_needed and (self._steps_without_end >= self._limit).any():
            policy = int(np.argmax(self._steps_without_end))
            raise HandfulError(
                f"Policy {policy} has not come to the end of an episode in "
                f"{self._steps_without_end[policy]} steps, and the environment's time_limit says "
                f"that all end within {self._limit}: its step must set truncated by then."
            )
