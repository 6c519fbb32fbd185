"""Who is told of when training makes no sense; NaN and infinity are in test_loop."""

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.training.preflight import EpisodeWatch
from handful.training.run import Run
from tests.environments import NEVER, Countdown, problem_of
from tests.training.helpers import TINY, config_of


class Endless(Countdown):
    """It declares a limit and leaves it to others to keep it."""

    def step(self, key, state, action):
        state, step = super().step(key, state, action)
        return state, step._replace(truncated=NEVER)


def test_an_environment_that_never_truncates_is_told_instead_of_learnt_from():
    problem = problem_of(Endless(40, truncates=True))
    with pytest.raises(HandfulError, match=r"in 64 steps, and .* within 40: its step must set"):
        handful.train(problem, 2, steps=2000, settings=TINY)


def test_every_policy_must_come_to_an_end_within_the_limit_and_not_sooner():
    # 32 steps an update, so that an episode of 96 may end in the third.
    watch = EpisodeWatch(Run(problem_of(Countdown(96, truncates=True)), config_of(2)))

    def see(*finished):
        watch.check(np.array(finished))

    see(0, 0)
    see(0, 0)
    see(1, 8)
    see(0, 0)
    see(0, 3)
    watch.restart()
    see(0, 0)
    see(0, 0)
    with pytest.raises(HandfulError, match=r"Policy 1 has not come to the end .* 96 steps"):
        see(1, 0)
