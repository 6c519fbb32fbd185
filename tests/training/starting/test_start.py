"""A run may start from policies that there are: some stay to the bit, and none is lost."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import handful
from handful.errors import HandfulError
from handful.learner import Counting
from handful.learner.policies_file import arrays_of, digests_of_policies
from handful.methods import EndToEnd, ExpectationMaximization, Fixed, SoftEM
from handful.training.choosing import HOST_EPISODES, make_player_of_run
from handful.training.run import Run
from handful.training.session import TrainingInterrupted
from handful.training.starting.beginning import START_STREAM, begin
from handful.training.starting.holding import hold, in_all_places, of_players, spread, with_frozen
from handful.training.starting.start import read_start
from handful.training.starting.start_settings import StartSettings
from handful.training.state import init_state
from handful.training.watching.callbacks import Callback
from handful.types import unwatched
from tests.bundles import nested_problem, random_policies
from tests.training.helpers import TINY, config_of
from tests.training.test_resume import StopAt

UPDATES = 6


def problem():
    return handful.make("resource-gathering", height=2, width=3)


def train(method="em", num_policies=3, seed=1, **more):
    steps = UPDATES * TINY["batch_size"]
    settings = {**TINY, **more.pop("settings", {})}
    return handful.train(
        problem(), num_policies, method, steps=steps, seed=seed, settings=settings, **more
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run, whose policies share their hidden layers as in the paper."""
    return train(out=tmp_path_factory.mktemp("first") / "run")


class CountUsers(Callback):
    """Collects how many users each policy had in each update."""

    def __init__(self):
        self.seen = []

    def on_update(self, report):
        self.seen.append(report.metrics["users"])


def test_frozen_policies_stay_to_the_bit_and_serve_users_while_the_others_learn(first):
    users = CountUsers()
    after = train(seed=2, start_from=first, frozen=[0, 2], callbacks=[users])
    before, now = digests_of_policies(first.policies), digests_of_policies(after.policies)
    assert (now[0], now[2]) == (before[0], before[2])
    assert np.sum(users.seen, axis=0)[[0, 2]].sum() > 0
    # Nothing is random with likeliest actions here, so that validation measures the truth.
    assert after.evaluation.welfare >= first.evaluation.welfare
    assert after.config.start == StartSettings(3, (0, 2), after.config.start.policies)


def test_policies_that_are_not_frozen_learn(first):
    after = train(
        seed=2, start_from=first.policies, frozen=[0, 2], run_settings={"keep_best": False}
    )
    before, now = digests_of_policies(first.policies), digests_of_policies(after.policies)
    assert [a == b for a, b in zip(before, now, strict=True)] == [True, False, True]


def test_a_result_is_never_worse_than_its_start(first):
    """With an absurd learning rate all that was learnt is worse, and the start comes out again."""
    after = train(
        seed=2,
        start_from=first.folder,
        settings={"learning_rate": 5.0, "final_learning_rate": 5.0},
    )
    assert after.evaluation.welfare >= first.evaluation.welfare


def test_a_start_that_validation_prefers_comes_out_to_the_bit(first, monkeypatch):
    from handful.training import choosing

    monkeypatch.setattr(choosing, "validate", lambda run, state, *_: _worthless(state))
    monkeypatch.setattr("handful.training.intervention.validate", choosing.validate)
    after = train(seed=2, start_from=first)
    assert digests_of_policies(after.policies) == digests_of_policies(first.policies)


def _worthless(state):
    """The state after a validation by which no moment of training is worth anything."""
    before = state.shortlist
    after = (jnp.full_like(before.snapshots.welfare, -1e9), jnp.ones((), bool))
    return eqx.tree_at(
        lambda s: (s.shortlist.snapshots.welfare, s.shortlist.is_validated), state, after
    )


def test_a_started_run_that_is_stopped_ends_as_if_it_had_not_been(first, tmp_path):
    whole = train(seed=2, start_from=first, frozen=[1], out=tmp_path / "whole")
    with pytest.raises(TrainingInterrupted):
        train(seed=2, start_from=first, frozen=[1], out=tmp_path / "part", callbacks=[StopAt(3)])
    rest = handful.resume(tmp_path / "part", progress=False)
    assert digests_of_policies(rest.policies) == digests_of_policies(whole.policies)
    assert rest.transitions == whole.transitions
    np.testing.assert_array_equal(rest.assignment, whole.assignment)


def test_further_policies_begin_new(first):
    after = train(num_policies=4, seed=2, start_from=first, frozen=[0, 1, 2], callbacks=[])
    assert digests_of_policies(after.policies)[:3] == digests_of_policies(first.policies)
    assert after.policies.num_policies == 4


def test_the_episodes_of_the_start_are_counted(first):
    given = read_start(first, (), problem(), 3)
    config = config_of(3, updates=UPDATES, share_hidden=False)
    run = Run(problem(), dataclasses.replace(config, start=given.settings))
    worth = make_player_of_run(run, init_state(run), START_STREAM)(given.policies, unwatched)
    assert begin(run, given).validated == worth.steps > 0


def test_policies_that_shared_layers_act_as_before_with_layers_of_their_own(first):
    from handful.learner.policies_file import unshared

    apart = unshared(first.policies)
    assert apart.actor.stack.hidden[0].weight.ndim == 3
    there, here = arrays_of(first.policies), arrays_of(apart)
    assert there.keys() == here.keys()
    for name, values in there.items():
        np.testing.assert_array_equal(values, here[name], err_msg=name)


def test_critics_learn_first():
    """Given policies wait for them; new ones and critics do not, and frozen ones wait for ever."""
    config = dataclasses.replace(
        config_of(3, updates=40, share_hidden=False), start=StartSettings(2, (1,), "")
    )
    run = Run(problem(), config)
    assert run.critics_first == 2
    before = init_state(run).learner
    after = jax.tree.map(lambda leaf: leaf + 1, before)

    assert run.config.players == (0, 2)  # the learner has these alone

    def changed(update):
        held = hold(run, jnp.asarray(update), before, after)
        np.testing.assert_array_equal(held.critic.head.weight, after.critic.head.weight)
        return [
            bool((held.actor.stack.head.weight[k] != before.actor.stack.head.weight[k]).all())
            for k in range(2)
        ]

    assert changed(1) == [False, True]
    assert changed(2) == [True, True]


@pytest.mark.parametrize(
    ("changes", "players"),
    [
        ({}, (0, 2)),
        ({"start": None}, (0, 1, 2)),
        ({"start": StartSettings(2, (), "")}, (0, 1, 2)),
        ({"discounted_table": True}, (0, 1, 2)),  # the start measured them without discount
        ({"learner": Counting()}, (0, 1, 2)),  # it learns from the transitions of all
    ],
)
def test_frozen_policies_play_only_where_their_transitions_are_needed(changes, players):
    config = config_of(3, updates=40, share_hidden=False)
    config = dataclasses.replace(config, **{"start": StartSettings(2, (1,), ""), **changes})
    assert config.players == players
    assert config.played(1000, 10) == len(players) * 1000 + 30


def test_all_policies_are_those_that_play_and_the_frozen_ones_of_the_start():
    config = config_of(4, updates=40, share_hidden=False)
    run = Run(problem(), dataclasses.replace(config, start=StartSettings(3, (0, 2), "")))
    assert run.config.players == (1, 3)
    playing = init_state(run).learner.networks
    start = jax.tree.map(lambda leaf: leaf - 7, in_all_places(run, playing))
    weights = with_frozen(run, playing, start).actor.stack.head.weight
    own, frozen = playing.actor.stack.head.weight, start.actor.stack.head.weight
    np.testing.assert_array_equal(weights, jnp.stack([frozen[0], own[0], frozen[2], own[1]]))
    rows = of_players(run, weights)
    np.testing.assert_array_equal(rows, own)
    assert spread(run, jnp.array([3, 4]), -1).tolist() == [-1, 3, -1, 4]


def test_a_frozen_policy_plays_no_transitions_in_training(tmp_path):
    """Its returns are those that the start measured, and only validation plays it again."""
    given, updates, num_envs = random_policies(problem(), 3, hidden=(16,)), 4, TINY["num_envs"]
    users = CountUsers()
    after = handful.train(
        problem(),
        3,
        "em",
        steps=updates * TINY["batch_size"],
        settings={name: value for name, value in TINY.items() if name != "hidden_sizes"},
        start_from=given,
        frozen=[0, 2],
        run_settings={"keep_best": False},
        callbacks=[users],
        out=tmp_path / "run",
        progress=False,
    )
    record = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert record["transitions"] == updates * TINY["batch_size"]
    played = updates * TINY["batch_size"] + 3 * record["validation_transitions"]
    assert after.transitions == handful.load_run(tmp_path / "run").transitions == played
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    episodes = np.array([line["episodes"] for line in lines])
    assert (episodes[:, [0, 2]] == 0).all()
    assert episodes[:, 1].sum() >= num_envs
    assert np.sum(users.seen, axis=0)[[0, 2]].sum() > 0
    same = [a == b for a, b in zip(*map(digests_of_policies, (given, after.policies)), strict=True)]
    assert same == [True, False, True]


def test_a_frozen_policy_does_not_play_on_the_host_either():
    host = nested_problem(spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,)))
    given = random_policies(host, 3, hidden=(16,))
    after = handful.train(
        host,
        3,
        steps=2 * TINY["batch_size"],
        settings={name: value for name, value in TINY.items() if name != "hidden_sizes"},
        start_from=given,
        frozen=[1],
        run_settings={"keep_best": False, "final_assignment": "method"},
        progress=False,
    )
    started = HOST_EPISODES * 5  # the start's episodes have five steps each
    assert after.transitions == 2 * 2 * TINY["batch_size"] + 3 * started
    same = [a == b for a, b in zip(*map(digests_of_policies, (given, after.policies)), strict=True)]
    assert same == [False, True, False]


@pytest.mark.parametrize("method", [ExpectationMaximization(), SoftEM(), EndToEnd()])
def test_methods_begin_with_whom_the_policies_serve(method):
    policy = jnp.array([2, 0, 2, 1])
    state = method.init(jax.random.key(0), 4, 3)
    begun = method.started(state, policy)
    assert jax.tree.structure(begun) == jax.tree.structure(state)
    weights = method.weights(begun)
    if weights.ndim == 1:
        assert weights.tolist() == [2, 0, 2, 1]
    else:
        np.testing.assert_allclose(weights.max(axis=1), 0.9, rtol=1e-5)
        assert weights.argmax(axis=1).tolist() == [2, 0, 2, 1]


def test_a_fixed_assignment_stays_the_callers():
    method = Fixed(policy=(0, 1, 1))
    state = method.init(jax.random.key(0), 3, 2)
    assert method.started(state, jnp.array([1, 0, 0])).policy.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"frozen": [0]}, "only if the run starts from some"),
        ({"start_from": "first", "frozen": [3]}, "no policy 3 to freeze"),
        ({"start_from": "first", "frozen": [0, 1, 2]}, "nothing to train"),
        ({"start_from": "first", "num_policies": 2}, "at least 3 policies"),
        ({"start_from": "first", "method": "pooled-em"}, "cannot start from given ones"),
        ({"start_from": "first", "settings": {"share_hidden": True}}, "share no layers"),
        ({"start_from": "first", "settings": {"hidden_sizes": (7,)}}, "hidden_sizes"),
        ({"start_from": 3.0}, "of the class float"),
    ],
)
def test_a_start_that_cannot_be_is_refused_in_one_sentence(first, more, sentence):
    if more.get("start_from") == "first":
        more = {**more, "start_from": first.folder}
    settings = {**({} if "start_from" in more else TINY), **more.pop("settings", {})}
    with pytest.raises(HandfulError, match=sentence):
        handful.train(
            problem(),
            more.pop("num_policies", 3),
            more.pop("method", "em"),
            steps=1024,
            settings=settings,
            progress=False,
            **more,
        )
