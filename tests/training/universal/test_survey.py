"""Surveys: how transitions are divided, what is found, and which problems they are for."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import handful
from handful.environment import Discrete, HostStep
from handful.errors import HandfulError
from handful.exact.tally import Tally
from handful.population import Population
from handful.problem import RMDP
from handful.training.universal import survey as module
from handful.training.universal.survey import (
    LANES,
    Copies,
    Survey,
    explore,
    new_survey,
    plan_survey,
    play_round,
    shows_few_observations,
)
from tests.environments import ContextualBandit, problem_of, push_problem


@given(st.integers(1, 10**7), st.integers(1, 10**4))
def test_a_plan_takes_nearly_all_transitions_and_no_more(steps, horizon):
    plan = plan_survey(steps, horizon)
    assert LANES[0] <= plan.lanes <= LANES[1]
    assert min(plan.length, plan.rounds) >= 1
    if steps >= LANES[0]:
        assert plan.steps <= steps
        assert plan.steps >= 0.5 * steps - plan.lanes
    if steps >= 8 * horizon * LANES[0]:
        assert plan.length >= horizon
        assert plan.rounds >= 8


def lock(length=12, num_actions=3):
    """One action in each state goes on to the next, and any other one back to the start."""
    right = np.random.default_rng(5).integers(num_actions, size=length)
    transitions = np.zeros((length, num_actions, length))
    transitions[..., 0] = 1.0
    states = np.arange(length - 1)
    transitions[states, right[:-1]] = np.eye(length)[states + 1]
    features = np.zeros((length, num_actions, 2))
    features[-1, right[-1], 0] = 1.0
    features[..., 1] = 0.01
    problem = handful.tabular_problem(
        transitions,
        features=features,
        coefficients=[[1.0, 0.0], [0.0, 1.0]],
        time_limit=60,
        observe_time=False,
    )
    return problem, right


def test_what_random_actions_never_find_is_found():
    """The chance that random actions open the lock is 3 ** -12 an episode."""
    problem, right = lock()
    survey, plan = new_survey(problem), plan_survey(8 * 16 * 60, 60)
    kept, shares = [], []
    users = problem.population.coefficients
    explore(
        problem, survey, plan, plan.rounds, 0, users, lambda s: kept.append(s.rounds), shares.append
    )
    assert kept == list(range(1, plan.rounds + 1))
    assert shares[-1] == 1.0
    model = survey.tally.model(60)
    assert model.visits.sum() == plan.steps
    assert model.is_tried.all()
    at = np.argsort(survey.tally.observations[:, 0])
    assert model.best_policies(np.array([[1.0, 0.0]]))[0, at].tolist() == right.tolist()


def test_a_survey_that_was_stopped_goes_on_as_if_it_had_not_been():
    problem, _ = lock()
    users = problem.population.coefficients
    plan = plan_survey(8 * 8 * 60, 60)
    whole, part = new_survey(problem), new_survey(problem)
    explore(problem, whole, plan, 4, 7, users, lambda _: None)
    explore(problem, part, plan, 3, 7, users, lambda _: None)
    part.tally = part.tally.from_arrays(part.tally.arrays())
    explore(problem, part, plan, 4, 7, users, lambda _: None)
    for name, values in whole.tally.arrays().items():
        np.testing.assert_array_equal(part.tally.arrays()[name], values, err_msg=name)


@dataclass(frozen=True)
class Doors:
    """Two doors on the host, of which the second pays. It notes when it is opened and closed."""

    time_limit: int = 1
    observation_size: int = 1
    action_space: Discrete = Discrete(2)  # noqa: RUF009
    calls: list = field(default_factory=list, compare=False)

    def outcome_shape(self):
        return jax.ShapeDtypeStruct((), jnp.float32)

    def open(self, num_envs, seed, num_threads):
        self.calls.append("open")
        return self

    def reset(self, which):
        return np.zeros((len(which), 1))

    def step(self, actions):
        over = np.ones(len(actions), bool)
        return HostStep(np.zeros((len(actions), 1)), np.float32(actions), over, ~over)

    def close(self):
        self.calls.append("close")


def test_copies_on_the_host_are_opened_once_and_closed_at_the_end():
    doors = Doors()
    population = Population.from_function(lambda outcome: outcome[None], 1)
    problem = RMDP(doors, population, discount=1.0, return_scale=1.0, name="custom")
    survey, plan = new_survey(problem), plan_survey(8 * 16, 1)
    assert plan.rounds > 1
    explore(problem, survey, plan, plan.rounds, 0, np.ones((1, 1)), lambda _: None)
    assert doors.calls == ["open", "close"]
    np.testing.assert_allclose(survey.tally.model(1).mean_features[0, :, 0], [0.0, 1.0])


def test_an_episode_that_ended_does_not_go_on_into_the_next():
    """A bandit's only step terminates: nothing follows, and every step begins an episode."""
    survey = new_survey(problem_of(ContextualBandit()))
    play_round(
        Copies(problem_of(ContextualBandit()), 4),
        survey.tally,
        np.zeros((4, 0), int),
        9,
        np.random.default_rng(0),
    )
    model = survey.tally.model(1)
    assert model.followed.nnz == 0
    assert model.starts.sum() == 4 * (9 + 1)
    contexts = survey.tally.observations[model.starts > 0]
    for number, context in enumerate(contexts):
        for action in np.flatnonzero(model.visits[number]):
            paid = np.eye(2)[(action + context.argmax()) % 2]
            np.testing.assert_allclose(model.mean_features[number, action], paid)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (lock()[0], True),
        (problem_of(ContextualBandit()), True),
        (push_problem((0.5,)), False),
        (handful.make("market", users=2), False),
        (handful.make("resource-gathering", height=2, width=2), True),
    ],
    ids=["numbered", "few", "continuous actions", "continuous observations", "a grid"],
)
def test_which_problems_show_few_observations(problem, expected):
    assert shows_few_observations(problem) is expected


def test_more_numbered_observations_than_can_be_counted_are_not_few(monkeypatch):
    monkeypatch.setattr(module, "MOST_OBSERVATIONS", 11)
    assert not shows_few_observations(lock()[0])


def test_a_feature_that_is_no_number_is_one_sentence():
    problem = problem_of(ContextualBandit(), features=lambda outcome: outcome / 0.0)
    tally = new_survey(problem).tally
    with pytest.raises(HandfulError, match="reward feature"):
        play_round(Copies(problem, 2), tally, np.zeros((2, 0), int), 2, np.random.default_rng(0))


def test_a_round_with_more_observations_than_can_be_counted_is_left_out(monkeypatch):
    """The round sees a sixth observation, where five can be counted."""
    problem = handful.make("market", users=2)
    survey = Survey(Tally(1, problem.num_features))
    survey.tally.number(np.arange(5.0)[:, None])
    monkeypatch.setattr(Tally, "is_full", property(lambda self: len(self) > 5))

    def one_more(copies, tally, tables, length, rng):
        tally.number(np.array([[99.0]]))

    monkeypatch.setattr(module, "play_round", one_more)
    monkeypatch.setattr(module, "_tables", lambda *_: np.zeros((8, 0), int))
    explore(problem, survey, plan_survey(64, 1), 8, 0, np.ones((1, 1)), lambda _: None)
    assert survey.rounds == 0
    assert len(survey.tally) == 5
