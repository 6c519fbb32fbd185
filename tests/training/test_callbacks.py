import json
import re
import sys

import pytest

from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.callbacks import Callback, EpisodesReport, MetricsFile, TensorBoard
from tests.training.helpers import report


@pytest.fixture
def folder(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create({})
    return run


def test_base_does_nothing():
    with Callback() as callback:
        callback.on_update(report(1))
        callback.on_episodes(EpisodesReport("validation", 0.5))


def test_metrics_are_a_line_of_json_an_update_written_at_once(folder):
    with MetricsFile(folder, 0) as metrics:
        metrics.on_update(report(1, seconds=0.12345))
        first = folder.metrics.read_text()
        metrics.on_update(report(2))
    assert json.loads(first) == {
        "run": folder.short_name(),
        "update": 1,
        "transitions": 256,
        "seconds": 0.123,
        "welfare": 10.0,
        "entropy": [1.5, 1.0],
    }
    assert [record["update"] for record in folder.read_metrics()] == [1, 2]


def test_lines_after_the_checkpoint_are_dropped_when_a_run_goes_on(folder):
    with MetricsFile(folder, 0) as metrics:
        for update in (1, 2, 3):
            metrics.on_update(report(update))
    folder.metrics.write_text(folder.metrics.read_text() + '{"update": 4, "wel')
    with MetricsFile(folder, 2) as metrics:
        metrics.on_update(report(3, seconds=9.0))
    records = folder.read_metrics()
    assert [record["update"] for record in records] == [1, 2, 3]
    assert records[-1]["seconds"] == 9.0


def test_a_damaged_line_is_all_that_a_run_loses_that_goes_on(folder):
    with MetricsFile(folder, 0) as metrics:
        for update in (1, 2, 3):
            metrics.on_update(report(update))
    folder.metrics.write_text(folder.metrics.read_text().replace('"update": 2', '"update'))
    with MetricsFile(folder, 3) as metrics:
        metrics.on_update(report(4))
    assert [record["update"] for record in folder.read_metrics()] == [1, 3, 4]


def test_tensorboard_gets_every_metric_and_lists_by_policy(folder, monkeypatch):
    tensorboardX = pytest.importorskip("tensorboardX")
    written = []

    class Writer:
        def __init__(self, path, **options):
            assert path == str(folder.tensorboard)

        def add_scalar(self, *scalar):
            written.append(scalar)

        def close(self):
            written.append("closed")

    monkeypatch.setattr(tensorboardX, "SummaryWriter", Writer)
    with TensorBoard(folder) as board:
        board.on_update(report(3))
    assert written == [
        ("welfare", 30.0, 768),
        ("entropy/policy-0", 1.5, 768),
        ("entropy/policy-1", 3.0, 768),
        "closed",
    ]


def test_tensorboard_writes_a_file(folder):
    pytest.importorskip("tensorboardX")
    with TensorBoard(folder) as board:
        board.on_update(report(1))
    assert any(folder.tensorboard.iterdir())


def test_missing_tensorboard_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(HandfulError, match=re.escape(install_command("tensorboard"))):
        TensorBoard(folder)
