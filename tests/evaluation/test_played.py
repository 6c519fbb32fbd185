import jax
import pytest

import handful
from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.evaluation.played import check_fit
from handful.learner.networks import Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from tests.host_environments import track_problem

TRACK = Box((-1.0,), (1.0,))


def policies_for(size, space):
    actor = init_actor(jax.random.key(0), 2, size, space, (4,), Sharing.NOTHING, -1.0)
    return Policies(actor, Normalizer.identity(2, size), space)


@pytest.mark.parametrize(
    ("size", "space", "sentence"),
    [
        (51, TRACK, "see observations of 51 entries, and those of its environment have 3"),
        (1, TRACK, "see observations of 1 entry, and those"),
        (3, Discrete(3), "choose one of 3 discrete actions, .* actions of 1 number from -1 to 1"),
        (3, Box((-1.0,) * 2, (1.0,) * 2), "actions of 2 numbers from -1 to 1, and"),
        (3, Box((-2.0,), (1.0,)), "actions of 1 number from -2 to 1, and its environment takes"),
        (3, Box((0.0, 1.0, 2.0, 3.0), (9.0,) * 4), r"4 numbers from \(0, 1, 2, ...\) to 9"),
    ],
)
def test_policies_of_other_shapes_are_refused_before_they_play(size, space, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.evaluate(track_problem(), policies_for(size, space))


def test_policies_that_fit_are_let_through():
    check_fit(track_problem(), policies_for(3, TRACK))
