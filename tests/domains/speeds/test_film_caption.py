"""The words and the scale on a picture."""

import numpy as np
import pytest

from handful._support.palette import policy_colour, rgb
from handful.domains.speeds.film import Caption

PAPER = np.full((240, 320, 3), 230, np.uint8)


@pytest.mark.parametrize(
    ("targets", "title"),
    [
        ([], "policy 3, for nobody"),
        ([0.5], "policy 3, for 1 user who wants 0.50 m/s"),
        ([0.5, 1.5], "policy 3, for 2 users who want 1.00 m/s on average"),
    ],
)
def test_title(targets, title):
    assert Caption(3, np.array(targets), 4.0).title == title


def pointer(velocity):
    """Where the scale has the policy's colour, left to right, in pixels."""
    caption = Caption(1, np.array([]), 4.0)
    image = np.asarray(caption.write(PAPER, velocity))
    assert (PAPER == 230).all()
    found = (image == rgb(policy_colour(1))).all(axis=2)[60:]
    return np.flatnonzero(found.any(axis=0)).mean()


def test_pointer_moves_with_the_velocity_and_stays_on_the_scale():
    # The scale goes from 9 % to 91 % of the width.
    assert pointer(0.0) == pytest.approx(0.09 * 320, abs=2)
    assert pointer(2.0) == pytest.approx(0.5 * 320, abs=2)
    assert pointer(4.0) == pytest.approx(0.91 * 320, abs=2)
    assert pointer(-1.0) == pointer(0.0)
    assert pointer(9.0) == pointer(4.0)


def test_every_target_has_a_tick():
    image = np.asarray(Caption(1, np.array([1.0, 3.0]), 4.0).write(PAPER, 2.0))
    found = (image == rgb(policy_colour(1))).all(axis=2)[60:]
    columns = np.flatnonzero(found.any(axis=0))
    for target in (1.0, 3.0):
        spot = (0.09 + 0.82 * target / 4) * 320
        assert np.abs(columns - spot).min() <= 1
