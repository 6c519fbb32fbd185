from handful.training.watching.callbacks import Callback, EpisodesReport
from tests.training.helpers import report


def test_base_does_nothing():
    with Callback() as callback:
        callback.on_update(report(1))
        callback.on_episodes(EpisodesReport("validation", 0.5))
