"""The loggers of the extras, offline; a resumed run writes nothing twice."""

import re
import sys

import pytest

from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.training.watching.loggers import Logger, RunStart, Step
from handful.training.watching.trackers import (
    LOGGERS,
    MLflowLogger,
    TensorBoardLogger,
    WandbLogger,
    make_logger,
    scalars,
)
from tests.training.helpers import report

CONFIG = {
    "problem": {"name": "market", "parameters": {"users": ["ann", "bob"]}},
    "settings": {"num_policies": 2, "method_settings": {"warm_up": 3}, "ppo": {"num_envs": 8}},
}


class Own(Logger):
    def log(self, step, metrics):
        return None


class NeedsMore(Logger):
    def __init__(self, place):
        self.place = place

    def log(self, step, metrics):
        return None


def start_at(folder, update=0):
    return RunStart("run-1", "0123456789abcdef", CONFIG, folder, Step(update, 256 * update, 1.0))


def log_updates(logger, folder, updates, first=0, evaluation=None):
    logger.open(start_at(folder, first))
    for update in updates:
        logger.log(Step(update, 256 * update, 2.0 * update), report(update).metrics)
    logger.close(evaluation)


def test_lists_become_a_number_a_policy():
    metrics = {"welfare": 3, "entropy": [1.5, 2.5], "name": "em", "is_done": True, "best": None}
    assert scalars(metrics) == {"welfare": 3, "entropy/policy-0": 1.5, "entropy/policy-1": 2.5}


def test_tensorboard_gets_every_metric_and_lists_by_policy(tmp_path, monkeypatch):
    tensorboardX = pytest.importorskip("tensorboardX")
    written = []

    class Writer:
        def __init__(self, path, purge_step, **options):
            written.append((path, purge_step))

        def add_scalar(self, *scalar):
            written.append(scalar)

        def close(self):
            written.append("closed")

    monkeypatch.setattr(tensorboardX, "SummaryWriter", Writer)
    log_updates(TensorBoardLogger(), tmp_path, [3], first=2)
    assert written == [
        (str(tmp_path / "tensorboard"), 513),
        ("welfare", 30.0, 768),
        ("entropy/policy-0", 1.5, 768),
        ("entropy/policy-1", 3.0, 768),
        "closed",
    ]


def test_tensorboard_writes_a_file_where_it_is_told(tmp_path):
    pytest.importorskip("tensorboardX")
    log_updates(TensorBoardLogger(), tmp_path, [1])
    assert any((tmp_path / "tensorboard").iterdir())
    log_updates(TensorBoardLogger(tmp_path / "board"), None, [1])
    assert any((tmp_path / "board").iterdir())
    with pytest.raises(HandfulError, match="need a place"):
        TensorBoardLogger().open(start_at(None))


def test_weights_and_biases_gets_settings_metrics_and_the_evaluation(tmp_path, monkeypatch):
    """Offline, with the real package; of a resumed run nothing is sent twice."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    options = {"mode": "offline", "project": "tests"}
    first = WandbLogger(**options)
    first.open(start_at(None))
    run = first._run
    assert (run.id, run.name, run.project) == ("0123456789abcdef", "run-1", "tests")
    assert dict(run.config)["task"] == "market"
    assert dict(run.config)["ppo"] == {"num_envs": 8}
    assert "ann" not in str(dict(run.config))
    sent, log = [], run.log
    monkeypatch.setattr(
        run, "log", lambda data, step: sent.append((data, step)) or log(data, step=step)
    )
    first.log(Step(1, 256, 2.0), report(1).metrics)
    first.log(Step(1, 256, 2.0), report(1).metrics)  # again
    first.log(Step(2, 512, 4.0), report(2).metrics)
    expected = {"welfare": 10.0, "entropy/policy-0": 1.5, "entropy/policy-1": 1.0, "seconds": 2.0}
    assert sent[0] == (expected, 256)
    assert [step for _, step in sent] == [256, 512]
    endings, finish = [], run.finish

    def end(exit_code):
        endings.append((exit_code, run.summary["evaluation/welfare"]))
        finish(exit_code=exit_code)

    monkeypatch.setattr(run, "finish", end)
    first.close({"welfare": 20.0, "findings": [], "optimum": None})
    assert endings == [(0, 20.0)]
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert wandb.run is None


def test_mlflow_gets_settings_metrics_and_the_evaluation(tmp_path, monkeypatch):
    """In a store of files, with the real package; of a resumed run nothing is sent twice."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    log_updates(MLflowLogger("tests"), None, [1, 2, 3])
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("tests").experiment_id
    (stopped,) = client.search_runs([experiment])
    assert stopped.info.status == "KILLED"
    log_updates(MLflowLogger("tests"), None, [3, 4], first=2, evaluation={"welfare": 20.0})
    (run,) = client.search_runs([experiment])
    assert (run.info.run_name, run.info.status) == ("run-1", "FINISHED")
    assert run.data.params == {
        "task": "market",
        "num_policies": "2",
        "method_settings.warm_up": "3",
        "ppo.num_envs": "8",
    }
    curve = client.get_metric_history(run.info.run_id, "welfare")
    points = {256: 10.0, 512: 20.0, 768: 30.0, 1024: 40.0}
    assert [(one.step, one.value) for one in curve] == list(points.items())
    assert run.data.metrics["entropy/policy-1"] == 4.0
    assert run.data.metrics["evaluation/welfare"] == 20.0


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_a_missing_package_says_how_to_get_it(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(HandfulError, match=re.escape(install_command(name))):
        make_logger(name)


def test_loggers_are_made_by_name():
    for name, made in LOGGERS.items():
        pytest.importorskip({"tensorboard": "tensorboardX"}.get(name, name))
        assert isinstance(make_logger(name), made)
    assert isinstance(make_logger(f"{__name__}:Own"), Own)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wandd", r"no logger named 'wandd' \(did you mean 'wandb'\?\)"),
        ("nowhere:Own", "'nowhere:Own' cannot be made"),
        (f"{__name__}:Nothing", "cannot be made"),
        (f"{__name__}:NeedsMore", "which is made without arguments"),
        ("builtins:dict", "'builtins:dict' is no logger"),
    ],
)
def test_names_that_make_no_logger(name, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make_logger(name)
