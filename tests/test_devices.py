import os

import pytest

from handful import devices


@pytest.fixture(autouse=True)
def forget_the_share():
    yield
    devices._share = None


def test_a_process_uses_what_it_may_run_on_and_no_more_than_its_share():
    available = len(os.sched_getaffinity(0))
    assert devices.usable_cores() == available
    devices.share_cores(1)
    assert devices.usable_cores() == 1
    devices.share_cores(available + 5)
    assert devices.usable_cores() == available
