import handful
from handful.collect.determinism import is_deterministic
from tests.environments import ContextualBandit, Countdown, Weather, problem_of


def test_nothing_is_left_to_chance_on_a_grid():
    assert is_deterministic(handful.make("resource-gathering", height=2, width=2))
    assert is_deterministic(problem_of(Countdown(4, truncates=True)))


def test_chance_at_the_start_or_on_the_way_is_noticed():
    assert not is_deterministic(problem_of(ContextualBandit()))
    assert not is_deterministic(problem_of(Weather()))


def test_continuous_actions_and_environments_on_the_host_are_not_tried():
    assert not is_deterministic(handful.make("glide"))
    assert not is_deterministic(handful.make("half-cheetah", users=3))
