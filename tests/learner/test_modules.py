import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.learner.builders import name_of
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.losses import clip_gradients
from handful.learner.modules import Blueprint, check_modules, init_modules, skeleton_of
from handful.learner.networks import (
    Actor,
    Sharing,
    constant_stack,
    has_policy_axis,
    init_actor,
    init_critic,
    init_stack,
    take_policies,
)
from tests.networks import Wave

K, M, O, H = 3, 4, 5, 2  # noqa: E741
KEY = jax.random.key(0)
SEEN = jax.random.normal(jax.random.key(1), (K, M, O))


def blueprint(build=Wave, size=O, outputs=H):
    return Blueprint.of(name_of(build), size, outputs)


def test_every_policy_has_a_module_of_its_own():
    stack = init_modules(KEY, K, blueprint())
    keys = jax.random.split(KEY, K)
    for policy in range(K):
        alone = Wave(keys[policy], O, H)
        expected = jax.vmap(alone)(SEEN[policy])
        np.testing.assert_allclose(stack(SEEN)[policy], expected, rtol=1e-5, atol=1e-6)


def test_weights_are_named_by_their_places():
    stack = init_modules(KEY, K, blueprint())
    assert sorted(stack.weights) == ["first/bias", "first/weight", "second/bias", "second/weight"]
    assert stack.weights["first/weight"].shape == (K, 8, O)
    assert skeleton_of(blueprint()).num_weights == 8 * O + 8 + H * 8 + H


def test_two_stacks_of_one_blueprint_have_one_structure():
    """Though each module has a function of its own, made anew for it."""
    one, other = init_modules(KEY, K, blueprint()), init_modules(jax.random.key(5), K, blueprint())
    total = jax.tree.map(jnp.add, one, other)
    np.testing.assert_allclose(
        total.weights["first/bias"], one.weights["first/bias"] + other.weights["first/bias"]
    )
    assert hash(one.blueprint) == hash(other.blueprint)


def test_all_arrays_belong_to_single_policies():
    stack = init_modules(KEY, K, blueprint())
    assert all(jax.tree.leaves(has_policy_axis(stack)))
    taken = take_policies(stack, jnp.array([2, 2, 0]))
    np.testing.assert_allclose(taken(SEEN)[1], stack(SEEN[jnp.array([0, 1, 1])])[2], atol=1e-6)
    moved = jax.tree.map(lambda leaf: leaf.at[0].multiply(1e6), stack)
    clipped = clip_gradients(moved, 0.5)
    # Only policy 0's are large: the others keep theirs, as far as they are below the norm.
    norms = lambda tree: jnp.sqrt(  # noqa: E731
        sum(jnp.sum(leaf.reshape(K, -1) ** 2, axis=1) for leaf in jax.tree.leaves(tree))
    )
    np.testing.assert_allclose(norms(clipped), jnp.minimum(norms(moved), 0.5), rtol=1e-4)


def test_actors_and_critics_are_made_of_modules():
    name = name_of(Wave)
    actor = init_actor(KEY, K, O, Discrete(4), (9,), Sharing.NOTHING, network=name)
    assert isinstance(actor(SEEN), Categorical)
    assert actor(SEEN).logits.shape == (K, M, 4)
    space = Box((-1.0, -1.0), (1.0, 1.0))
    actor = init_actor(KEY, K, O, space, (9,), Sharing.NOTHING, -0.5, network=name)
    assert isinstance(actor(SEEN), Gaussian)
    np.testing.assert_array_equal(actor(SEEN).log_std, np.full((K, M, 2), -0.5))
    assert init_critic(KEY, K, O, 7, (9,), Sharing.NOTHING, network=name)(SEEN).shape == (K, M, 7)


def test_random_actions_are_drawn_with_modules_too():
    actor = Actor(init_modules(KEY, K, blueprint()), None, 0.5)
    assert jnp.exp(jax.nn.log_softmax(actor(100 * SEEN).logits)).min() >= 0.25 - 1e-6


@pytest.mark.parametrize("sharing", [*Sharing, None])
def test_constant_networks_put_out_their_row(sharing):
    if sharing is None:
        like = init_modules(KEY, K, blueprint())
    else:
        like = init_stack(KEY, K, (O, 6, H), 1.0, sharing)
    rows = jnp.arange(K * H, dtype=jnp.float32).reshape(K, H)
    found = constant_stack(like, rows, O)(SEEN)
    np.testing.assert_array_equal(found, np.repeat(rows[:, None], M, axis=1))


def fails(key, observation_size, num_outputs):
    raise ZeroDivisionError("by nothing")


def leaves_the_program(key, observation_size, num_outputs):
    raise SystemExit(3)


def returns_a_function(key, observation_size, num_outputs):
    return lambda observation: observation


class Changed(Wave):
    def __call__(self, observation):
        return self.change(super().__call__(observation))

    def change(self, values):
        raise NotImplementedError


class KeepsATable(Wave):
    look: object

    def __init__(self, key, observation_size, num_outputs):
        super().__init__(key, observation_size, num_outputs)
        table = jax.random.normal(key, (num_outputs,))
        self.look = lambda values: values + table

    def __call__(self, observation):
        return self.look(super().__call__(observation))


class Fails(Changed):
    def change(self, values):
        return values @ jnp.ones((9, 9))


class Pairs(Changed):
    def change(self, values):
        return values, values


class OfOneNumber(Changed):
    def change(self, values):
        return values[0]


class WholeNumbers(Changed):
    def change(self, values):
        return jnp.rint(values).astype(int)


class Counts(Wave):
    steps: jax.Array

    def __init__(self, key, observation_size, num_outputs):
        super().__init__(key, observation_size, num_outputs)
        self.steps = jnp.zeros(3, jnp.int32)


class Halves(Wave):
    half: np.ndarray

    def __init__(self, key, observation_size, num_outputs):
        super().__init__(key, observation_size, num_outputs)
        self.half = np.zeros(3, np.float16)


class Empty(eqx.Module):
    outputs: int = eqx.field(static=True)

    def __init__(self, key, observation_size, num_outputs):
        self.outputs = num_outputs

    def __call__(self, observation):
        return observation[: self.outputs]


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            fails,
            r"could not be built: build\(key, 5, 2\) failed with ZeroDivisionError: by nothing",
        ),
        (leaves_the_program, "could not be built.*SystemExit: 3"),
        (lambda key: None, "could not be built.*TypeError"),
        (
            returns_a_function,
            r".* of the class function: its builder must return an equinox\.Module",
        ),
        (
            lambda *_: eqx.nn.StateIndex(0),
            r".* of the class StateIndex: its builder must return",
        ),
        (Fails, r"failed for an observation of shape \[5\] with TypeError"),
        (KeepsATable, "keeps a value of JAX that its builder made in a function"),
        (Pairs, r"returns .* for an observation: it must return one array of shape \[2\]"),
        (OfOneNumber, r"returns float32\[\] for .* it must return float32\[2\]"),
        (WholeNumbers, r"returns int32\[2\] for"),
        (Counts, r"has an array int32\[3\] at 'steps', and all arrays of a module are learnt"),
        (Halves, r"has an array float16\[3\] at 'half'"),
        (Empty, "has no arrays"),
    ],
)
def test_what_cannot_be_learnt_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(HandfulError, match=f"The critic's network '.*' {sentence}") as caught:
        check_modules(blueprint(build), "critic", 2)
    assert "\n" not in str(caught.value)


def test_sound_modules_pass():
    check_modules(blueprint(), "actor", 2)
    check_modules(blueprint(lambda k, o, h: eqx.nn.MLP(o, h, 4, 2, key=k)), "actor", 2)


def test_the_networks_of_all_policies_must_fit(monkeypatch):
    weights = 8 * O + 8 + H * 8 + H
    monkeypatch.setattr("handful.learner.modules.MOST_WEIGHTS", 3 * weights)
    check_modules(blueprint(), "actor", 3)
    with pytest.raises(
        HandfulError, match=f"has {4 * weights} weights for 4 policies, and at most"
    ):
        check_modules(blueprint(), "actor", 4)


def test_names_of_arrays_are_told_apart():
    class Named(eqx.Module):
        parts: dict

        def __init__(self, key, observation_size, num_outputs):
            self.parts = {"a/b": jnp.zeros(2), "a": {"b": jnp.ones(2)}}

        def __call__(self, observation):
            return self.parts["a/b"] + self.parts["a"]["b"]

    stack = init_modules(KEY, K, blueprint(Named))
    assert len(stack.weights) == 2
    np.testing.assert_array_equal(stack(SEEN), np.ones((K, M, 2)))
