"""The base class of assignment methods, as a method of somebody else sees it."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.methods import (
    METHODS,
    AssignmentMethod,
    EndToEnd,
    Feedback,
    MethodInfo,
    RandomAssignment,
    Scene,
    Trainable,
)
from handful.methods.base import split_trainable
from handful.methods.ledger import BlockwiseMethod
from handful.methods.schedule import Schedule

KEY = jax.random.key(0)
MEMBERS = {
    "info",
    "init",
    "weights",
    "training_weights",
    "reassign",
    "started",
    "schedule",
    "intervene",
    "memory",
    "trainable",
}


@dataclasses.dataclass(frozen=True)
class First(AssignmentMethod):
    """Everybody has the first policy: the least that a method may have."""

    def init(self, key, num_users, num_policies):
        return {"policy": jnp.zeros(num_users, jnp.int32), "spare": jnp.ones(2)}

    def weights(self, state):
        return state["policy"]


class HalfLearnt(First):
    @property
    def trainable(self):
        return Trainable({"policy": False, "spare": True}, 0.1)


def own_members(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


def test_the_base_has_ten_members_of_which_two_are_asked_of_everybody():
    assert own_members(AssignmentMethod) == MEMBERS
    assert AssignmentMethod.__abstractmethods__ == {"init", "weights"}


def test_a_large_population_asks_for_one_member_more():
    assert own_members(BlockwiseMethod) == {"take_turn"}
    blockwise = {name for name, kind in METHODS.items() if issubclass(kind, BlockwiseMethod)}
    assert blockwise == {"em", "cluster", "random", "fixed", "universal"}


def test_by_default_nobody_moves_nothing_learns_and_nothing_interrupts_the_run():
    method = First()
    state = method.init(KEY, 3, 2)
    feedback = Feedback(jnp.ones((3, 2)), jnp.asarray(4), 10)
    assert method.reassign(KEY, state, feedback) is state
    np.testing.assert_array_equal(method.training_weights(state), [0, 0, 0])
    assert method.schedule(10, 2) == Schedule(10)
    assert method.memory is None
    assert method.trainable is None
    assert method.info == MethodInfo()


def test_an_intervention_that_is_announced_and_not_written_is_one_sentence():
    with pytest.raises(NotImplementedError, match="First names interventions: write its 'interv"):
        First().intervene(KEY, {}, Scene(0, None, np.zeros((0, 3)), True, 10, np.zeros((0, 3))))


@pytest.mark.parametrize(
    ("method", "learnt"), [(First(), set()), (HalfLearnt(), {"spare"}), (EndToEnd(), {""})]
)
def test_a_state_is_the_part_that_learns_and_the_rest(method, learnt):
    state = method.init(KEY, 3, 2)
    parts = split_trainable(method, state)
    leaves, _ = jax.tree_util.tree_flatten_with_path(parts[0])
    assert {jax.tree_util.keystr(path, simple=True) for path, _ in leaves} == learnt
    jax.tree.map(np.testing.assert_array_equal, eqx.combine(*parts), state)


def test_a_run_ends_after_its_last_update():
    def scene(update):
        return Scene(update, None, np.zeros((0, 3)), True, 10, np.zeros((0, 3)))

    assert not scene(9).is_end
    assert scene(10).is_end


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_in_one_clause_what_it_does(name):
    summary = METHODS[name].info.summary
    assert summary, f"say what '{name}' does, in the summary of its info"
    assert summary[0].islower()
    assert not summary.endswith(".")


def test_what_others_must_know_is_hashable_and_of_the_class():
    assert len({kind.info for kind in METHODS.values()}) == len(METHODS)
    assert "info" not in {field.name for field in dataclasses.fields(RandomAssignment)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        RandomAssignment.info.revision = 1
