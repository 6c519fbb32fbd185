import jax
import jax.numpy as jnp
import pytest

from handful.methods import METHODS, EpisodeMemory, make_method


class Longest(EpisodeMemory):
    """Episodes are worth what they earn in the first feature; the first policy imitates one."""

    size = 3

    def worth(self, state, returns, episodes):
        return returns[:, 0]

    def demonstrated(self, state):
        return jnp.array([2, -1])

    def imitates(self, update, num_updates):
        return update > num_updates // 2


def test_what_is_demonstrated_stays_remembered():
    assert Longest().protected(None).tolist() == [2, -1]


def test_a_memory_says_what_episodes_are_worth_and_when_they_are_imitated():
    with pytest.raises(TypeError, match="abstract"):
        EpisodeMemory()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"fixed"}))
def test_only_elite_em_remembers_episodes(name):
    method = make_method(name)
    if name != "elite-em":
        assert method.memory is None
        return
    state = method.init(jax.random.key(0), 4, 2)
    assert method.memory.size == method.archive_size
    assert method.memory.demonstrated(state).tolist() == [-1, -1]
    assert method.memory == make_method(name).memory
