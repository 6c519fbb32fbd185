"""However short a run is, its warm-up leaves room for what comes after it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.methods import METHODS, EliteEM, Feedback, RememberedEpisodes, make_method
from handful.methods.pooled_em import MOST_OF_ROUND, PooledEM
from handful.methods.schedule import MOST_WARM_UP

KEY = jax.random.key(0)
WITH_WARM_UP = {
    "em": 15,
    "soft-em": 40,
    "pooled-em": 15,
    "elite-em": 40,
    "universal": 15,
}


def warm_up_settings(name):
    return {"settling" if name == "elite-em" else "warm_up": WITH_WARM_UP[name]}


def test_every_method_with_such_a_setting_is_looked_at_here():
    names = {"warm_up", "settling"}
    found = {name for name, kind in METHODS.items() if names & set(kind.__dataclass_fields__)}
    assert found == set(WITH_WARM_UP)


@pytest.mark.parametrize("name", WITH_WARM_UP)
@given(st.integers(1, 400))
def test_a_warm_up_is_at_most_its_share_of_the_run(name, num_updates):
    method = make_method(name, **warm_up_settings(name))
    warm_up = method.schedule(num_updates, 3).warm_up
    assert warm_up.asked == WITH_WARM_UP[name]
    assert 0 <= warm_up.updates <= min(warm_up.asked, MOST_WARM_UP * num_updates)
    assert warm_up.is_cut == (warm_up.updates < warm_up.asked)


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(WITH_WARM_UP)))
def test_other_methods_have_none(name):
    settings = {"policy": (0, 1)} if name == "fixed" else {}
    assert make_method(name, **settings).schedule(100, 2).warm_up is None


@pytest.mark.parametrize("name", ["em", "soft-em", "pooled-em"])
def test_fourteen_updates_are_enough_to_move_somebody(name):
    """15 of warm-up are asked for: `em --preset fast --steps 30000` moved nobody."""
    method = make_method(name, **warm_up_settings(name))
    state = method.init(KEY, 4, 2)
    before = np.asarray(method.weights(state))
    wants_other = jax.nn.one_hot(1 - before, 2)
    moved = []
    # Pooled EM's first round of five ends with update 1 of 14.
    num_updates = 14 if name != "pooled-em" else 100
    for update in range(num_updates // (10 if name == "pooled-em" else 1)):
        feedback = Feedback(wants_other, jnp.asarray(update), num_updates)
        after = method.reassign(KEY, state, feedback)
        moved.append(not np.array_equal(method.weights(after), before))
    first = moved.index(True)
    assert first == method.schedule(num_updates, 2).warm_up.updates
    assert all(moved[first:])


def test_rounds_of_pooled_em_end_with_e_steps():
    method = PooledEM(rounds=5, exploring=0.5, warm_up=15)
    assert method.schedule(50, 2).interventions == (5, 10, 15, 20, 25)
    assert method.schedule(50, 2).warm_up.updates == int(MOST_OF_ROUND * 5)
    assert method.schedule(1, 2).warm_up.updates == 0  # no rounds at all


def test_elites_lead_in_a_run_shorter_than_they_would_settle_in():
    method = EliteEM(rounds=1, settling=40)
    state = method.init(KEY, 4, 2)
    returns = jnp.array([[9.0, 9, 0, 0], [0, 0, 9, 9]])
    episodes = RememberedEpisodes(returns, jnp.ones(2, bool), jnp.zeros(2, int), jnp.eye(4))
    led = []
    for update in range(14):
        feedback = Feedback(jnp.zeros((4, 2)), jnp.asarray(update), 14, episodes)
        led.append(bool(method.reassign(KEY, state, feedback).elites[0] >= 0))
    assert led == [False] * 7 + [True] * 7
