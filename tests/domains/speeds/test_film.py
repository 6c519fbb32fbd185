"""What is on a film."""

import jax
import numpy as np
import pytest

from handful._support.palette import policy_colour
from handful.domains.speeds.film import shoot
from handful.domains.speeds.robots import ANT, HALF_CHEETAH, HOPPER, WALKER2D
from handful.learner.networks import Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from handful.problem import make
from handful.render.run import Shot


def film_of(robot, seconds=0.2):
    actor = init_actor(
        jax.random.key(0), 2, robot.observation_size, robot.action_space, (8,), Sharing.NOTHING
    )
    policies = Policies(actor, Normalizer.identity(2, robot.observation_size), robot.action_space)
    problem = make(robot.name, targets=[0.5, 1.0])
    return shoot(
        Shot(problem, policies, 1, np.array([1, 1]), seconds=seconds, width=160, height=120, seed=0)
    )


@pytest.mark.parametrize("robot", [HALF_CHEETAH, ANT, HOPPER, WALKER2D], ids=lambda r: r.name)
def test_every_robot_is_in_the_middle_of_a_pale_picture(robot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = film_of(robot)
    assert film.frame_seconds in (0.04, 0.05)
    assert len(film.pictures) == pytest.approx(0.2 / film.frame_seconds)
    picture = np.asarray(film.pictures[-1]).astype(int)
    assert picture.shape == (120, 160, 3)
    scene = picture[25:90]
    # Floor and sky are grey; only the robot has a colour.
    coloured = np.ptp(scene, axis=2) > 40
    assert coloured[:, 40:120].sum() > 50
    assert np.median(scene) > 150
    assert film.colour == policy_colour(1)
    assert list(tmp_path.iterdir()) == []  # MuJoCo would keep a log here


def test_a_film_ends_with_the_episode():
    # A hopper that does nothing in particular falls within two seconds.
    film = film_of(HOPPER, seconds=7.0)
    assert 0 < len(film.pictures) < 50
