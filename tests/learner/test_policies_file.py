import jax
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.learner.builders import name_of
from handful.learner.networks import Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from handful.learner.policies_file import digest_of_policies, load_policies, save_policies
from tests.networks import Wave, perceptron

K, O = 2, 3  # noqa: E741
SEEN = jax.random.normal(jax.random.key(1), (K, 4, O))


def policies_of(space, network, sharing=Sharing.NOTHING):
    actor = init_actor(jax.random.key(3), K, O, space, (8,), sharing, network=network)
    return Policies(actor, Normalizer.identity(K, O).update(SEEN), space)


@pytest.fixture
def no_builders(monkeypatch):
    """As in another program."""
    monkeypatch.setattr("handful.learner.builders._BUILDERS", {})


@pytest.mark.parametrize("space", [Discrete(2), Box((-1.0,), (1.0,))])
@pytest.mark.parametrize("own", [True, False])
def test_policies_come_back_as_they_were(tmp_path, space, own):
    policies = policies_of(space, name_of(Wave) if own else None, Sharing.FAMILY)
    save_policies(tmp_path / "policies.safetensors", policies, "digest")
    loaded = load_policies(tmp_path / "policies.safetensors")
    assert jax.tree.structure(loaded) == jax.tree.structure(policies)
    for one, other in zip(jax.tree.leaves(loaded), jax.tree.leaves(policies), strict=True):
        np.testing.assert_array_equal(one, other)
    assert digest_of_policies(loaded) == digest_of_policies(policies)


def test_every_policy_has_its_module_under_a_name_of_its_own(tmp_path):
    from safetensors.numpy import load_file

    policies = policies_of(Discrete(2), name_of(Wave))
    save_policies(tmp_path / "policies.safetensors", policies, "digest")
    arrays = load_file(tmp_path / "policies.safetensors")
    weights = policies.actor.stack.weights["first/weight"]
    np.testing.assert_array_equal(arrays["policy-1/network/first/weight"], weights[1])


@pytest.mark.usefixtures("no_builders")
def test_a_strangers_file_imports_nothing(tmp_path, monkeypatch):
    path = tmp_path / "policies.safetensors"
    policies = policies_of(Discrete(2), name_of(Wave))
    save_policies(path, policies, "digest")
    monkeypatch.setattr("handful.learner.builders._BUILDERS", {})
    with pytest.raises(HandfulError, match=r"'tests.networks:Wave', and that names a module"):
        load_policies(path)
    given, trusted = load_policies(path, network=Wave), load_policies(path, trust=True)
    expected = policies(SEEN).logits
    np.testing.assert_array_equal(given(SEEN).logits, expected)
    np.testing.assert_array_equal(trusted(SEEN).logits, expected)


def test_another_network_does_not_fit(tmp_path):
    path = tmp_path / "policies.safetensors"
    save_policies(path, policies_of(Discrete(2), name_of(Wave)), "digest")
    with pytest.raises(HandfulError, match=r"has other arrays than the network '.*perceptron'"):
        load_policies(path, network=perceptron)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(HandfulError, match="There are no policies at"):
        load_policies(tmp_path / "absent")
