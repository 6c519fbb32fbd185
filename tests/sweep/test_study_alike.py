"""Which runs would be averaged as seeds of one method."""

from dataclasses import replace

import pytest

from handful.errors import HandfulError
from handful.sweep.study import SeedsAlike
from tests.sweep.helpers import request_of


def changed(request, **settings):
    return replace(request, config=replace(request.config, **settings))


@pytest.fixture
def alike(tmp_path):
    looked = SeedsAlike("study 'a.yaml'")
    looked.check(request_of(tmp_path, 0), 4)
    return looked


def test_seeds_differ_in_nothing_else(alike, tmp_path):
    other = request_of(tmp_path, 1)
    alike.check(other, 4)
    with pytest.raises(HandfulError) as error:
        alike.check(changed(other, return_mixing=0.2), 4)
    assert str(error.value) == (
        "The study 'a.yaml' asks for 'em' on 'resource-gathering' with 1 policy, 4 users and 640 "
        "steps in two ways, whose runs ('resource-gathering-0' and 'resource-gathering-1') would "
        "count as seeds of one method: make one of its groups a variant, with a name."
    )
    with pytest.raises(HandfulError, match="in two ways"):
        alike.check(request_of(tmp_path, 1, height=4, width=1), 4)


def test_rows_of_their_own_may_differ_in_anything(alike, tmp_path):
    other = changed(request_of(tmp_path, 1), return_mixing=0.2)
    alike.check(other, 9)
    alike.check(changed(other, steps=1280), 4)
    alike.check(changed(other, num_policies=2), 4)
    alike.check(replace(other, variant="mixing"), 4)
    alike.check(replace(other, asked="auto"), 4)


def test_threads_and_the_seed_of_the_users_decide_nothing(tmp_path):
    alike = SeedsAlike("study 'a.yaml'")
    for seed in range(2):
        request = request_of(tmp_path, seed, users=5, population_seed=seed)
        alike.check(changed(request, threads=1 + seed), 5)
