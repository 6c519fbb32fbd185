"""Loggers for TensorBoard, Weights & Biases and MLflow, each of which needs an extra."""

import importlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handful._support.checks import did_you_mean
from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.watching.loggers import Logger, RunStart, Step

DEFAULT_NAME = "handful"
"""The name of the project or experiment, unless the caller or the environment gives another one."""

LONGEST_PARAMETER = 500
"""The number of letters that MLflow stores of a parameter at least, in every version."""


def scalars(metrics: Mapping[str, Any]) -> dict[str, int | float]:
    """Return metrics as single numbers.

    Args:
        metrics: numbers, or lists with one number a policy, by name. Anything else is left out.

    Returns:
        the numbers by name; those of a list as ``name/policy-0``, ``name/policy-1``, and so on.
    """
    found = {}
    for name, value in metrics.items():
        if isinstance(value, list | tuple):
            found |= scalars({f"{name}/policy-{k}": entry for k, entry in enumerate(value)})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return found


class TensorBoardLogger(Logger):
    """Writes metrics for TensorBoard, against transitions per policy.

    Args:
        folder: the folder for the files; by default ``tensorboard`` in the run's folder.

    Raises:
        HandfulError: if tensorboardX is not installed, or neither a folder is given nor the run is
            kept in one.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._module = _imported("tensorboardX", "tensorboard")
        self._folder = folder
        self._writer: Any = None

    def open(self, run: RunStart) -> None:
        """Begin a file, which hides the points that a resumed run writes again."""
        path = self._folder
        if path is None and run.folder is not None:
            folder = RunFolder(run.folder)
            path = folder.subfolder(folder.tensorboard)
        if path is None:
            raise HandfulError(
                "TensorBoard files need a place: keep the run with out=FOLDER, or give "
                "TensorBoardLogger a folder."
            )
        first = run.step.transitions + 1
        self._writer = self._module.SummaryWriter(str(path), purge_step=first, flush_secs=30)

    def log(self, step: Step, metrics: Mapping[str, Any]) -> None:
        """Write every metric."""
        for name, value in scalars(metrics).items():
            self._writer.add_scalar(name, value, step.transitions)

    def close(self, evaluation: Mapping[str, Any] | None) -> None:
        """Write the evaluation, and close the file."""
        if self._writer is not None:
            self._writer.close()


class WandbLogger(Logger):
    """Sends metrics to Weights & Biases, against transitions per policy.

    Names of users and what they want are not sent.

    Args:
        options: arguments of ``wandb.init``, such as ``project``, ``entity`` and ``mode``. By
            default the project is ``WANDB_PROJECT`` of the environment, or ``handful``.

    Raises:
        HandfulError: if wandb is not installed.
    """

    def __init__(self, **options: Any) -> None:
        self._module = _imported("wandb", "wandb")
        self._options = options
        self._run: Any = None
        self._next = 0  # the first transitions that W&B lacks the metrics of

    def open(self, run: RunStart) -> None:
        """Begin a run of W&B, or continue the one of a run that is resumed."""
        options = {
            "project": os.environ.get("WANDB_PROJECT", DEFAULT_NAME),
            "name": run.name,
            "config": {"task": run.config["problem"]["name"], **run.config["settings"]},
            "settings": self._module.Settings(console="off"),  # the screen is not sent
            **self._options,
        }
        self._run = self._module.init(id=run.identity, resume="allow", **options)
        self._next = self._run.step

    def log(self, step: Step, metrics: Mapping[str, Any]) -> None:
        """Send every metric; W&B has those already that a resumed run repeats."""
        if step.transitions >= self._next:
            numbers = {**scalars(metrics), "seconds": step.seconds}
            self._run.log(numbers, step=step.transitions)
            self._next = step.transitions + 1

    def close(self, evaluation: Mapping[str, Any] | None) -> None:
        """Send the evaluation as the run's summary, and end the run."""
        if self._run is not None:
            self._run.summary.update(_summary(evaluation))
            self._run.finish(exit_code=1 if evaluation is None else 0)


class MLflowLogger(Logger):
    """Sends metrics to MLflow, against transitions per policy.

    The server is the one of ``MLFLOW_TRACKING_URI``. Names of users and what they want are not
    sent.

    Args:
        experiment: the name of the experiment; by default ``MLFLOW_EXPERIMENT_NAME`` of the
            environment, or ``handful``.

    Raises:
        HandfulError: if MLflow is not installed.
    """

    TAG = "handful.run"
    """The tag with the identity of the run."""

    def __init__(self, experiment: str | None = None) -> None:
        self._module = _imported("mlflow", "mlflow")
        self._experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME", DEFAULT_NAME)
        self._client: Any = None
        self._run = ""
        self._last = 0  # of the transitions that MLflow has the metrics of

    def open(self, run: RunStart) -> None:
        """Begin a run of MLflow, or continue the one of a run that is resumed."""
        client = self._module.MlflowClient()
        experiment = client.get_experiment_by_name(self._experiment)
        number = (
            client.create_experiment(self._experiment)
            if experiment is None
            else experiment.experiment_id
        )
        found = client.search_runs([number], f"tags.`{self.TAG}` = '{run.identity}'")
        if found:
            self._run = found[0].info.run_id
            client.update_run(self._run, status="RUNNING")
            steps = (one.step for one in client.get_metric_history(self._run, "welfare"))
            self._last = max(steps, default=0)
        else:
            tags = {self.TAG: run.identity}
            self._run = client.create_run(number, tags=tags, run_name=run.name).info.run_id
            parameters = {"task": run.config["problem"]["name"], **run.config["settings"]}
            for name, value in _flat(parameters).items():
                client.log_param(self._run, name, str(value)[:LONGEST_PARAMETER])
        self._client = client

    def log(self, step: Step, metrics: Mapping[str, Any]) -> None:
        """Send every metric; MLflow has those already that a resumed run repeats."""
        if step.transitions > self._last:
            self._send({**scalars(metrics), "seconds": step.seconds}, step.transitions)
            self._last = step.transitions

    def close(self, evaluation: Mapping[str, Any] | None) -> None:
        """Send the evaluation, and end the run."""
        if self._client is not None:
            self._send(_summary(evaluation), self._last)
            status = "KILLED" if evaluation is None else "FINISHED"
            self._client.set_terminated(self._run, status)

    def _send(self, numbers: Mapping[str, int | float], transitions: int) -> None:
        now = int(1000 * time.time())  # in milliseconds
        metric = self._module.entities.Metric
        batch = [metric(name, value, now, transitions) for name, value in numbers.items()]
        self._client.log_batch(self._run, metrics=batch)


LOGGERS: dict[str, Callable[[], Logger]] = {
    "tensorboard": TensorBoardLogger,
    "wandb": WandbLogger,
    "mlflow": MLflowLogger,
}
"""The loggers that have a name on the command line."""


def make_logger(name: str) -> Logger:
    """Return the logger that ``--log`` names.

    Args:
        name: one of :data:`LOGGERS`, or ``module:Class`` for a class of the caller's own, which is
            made without arguments. Importing a module runs its code, so the name must be the
            caller's own word.

    Returns:
        a new logger.

    Raises:
        HandfulError: if there is no such logger, or its package is not installed.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        if name not in LOGGERS:
            raise HandfulError(
                f"There is no logger named '{name}'{did_you_mean(name, LOGGERS)}: choose from "
                f"{', '.join(LOGGERS)}, or give a class of your own as module:Class."
            )
        return LOGGERS[name]()
    try:
        logger = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise HandfulError(
            f"The logger '{name}' cannot be made ({error}): check the names of the module and of "
            f"the class in it, which is made without arguments."
        ) from None
    if not isinstance(logger, Logger):
        raise HandfulError(f"'{name}' is no logger: derive its class from handful.Logger.")
    return logger


def _imported(module: str, extra: str) -> Any:
    """Return a module of an extra.

    Raises:
        HandfulError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise HandfulError(
            f"The logger '{extra}' needs the package {module}: {install_command(extra)}."
        ) from None


def _summary(evaluation: Mapping[str, Any] | None) -> dict[str, int | float]:
    """Return the single numbers of an evaluation; nothing of a run that has none."""
    numbers = {n: v for n, v in (evaluation or {}).items() if not isinstance(v, Sequence)}
    return {f"evaluation/{name}": value for name, value in scalars(numbers).items()}


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested settings under single names, such as ``ppo.num_envs``."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, Mapping)
        found |= _flat(value, f"{before}{name}.") if inner else {f"{before}{name}": value}
    return found
