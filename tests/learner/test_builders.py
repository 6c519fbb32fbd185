import functools
import sys

import pytest

from handful.errors import HandfulError
from handful.learner.builders import (
    UNNAMED,
    find_network,
    is_importable,
    load_network,
    name_of,
    network_settings,
    register_network,
    settled_name,
    with_names,
)
from tests.networks import Wave, perceptron


@pytest.fixture(autouse=True)
def no_builders(monkeypatch):
    monkeypatch.setattr("handful.learner.builders._BUILDERS", {})


def build(key, observation_size, num_outputs):
    return Wave(key, observation_size, num_outputs)


def test_a_builder_of_a_module_is_named_by_where_it_is():
    assert name_of(perceptron) == "tests.networks:perceptron"
    assert name_of(Wave) == "tests.networks:Wave"
    assert find_network("tests.networks:Wave") is Wave


def test_builders_that_cannot_be_imported_are_told_apart():
    one, other = lambda *_: None, lambda *_: None
    names = [name_of(one), name_of(other), name_of(one)]
    assert names == [f"{UNNAMED}<lambda>", f"{UNNAMED}<lambda>-2", f"{UNNAMED}<lambda>"]
    assert find_network(names[1]) is other
    bound = functools.partial(build, num_outputs=2)
    assert name_of(bound) == f"{UNNAMED}partial"
    assert not is_importable(names[0])


def test_what_a_script_defines_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(build, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "build", build, raising=False)
    assert name_of(build) == f"{UNNAMED}build"


def test_a_registered_name_comes_first():
    register_network("wave", Wave)
    register_network("wave", Wave)
    assert name_of(Wave) == "wave"
    with pytest.raises(HandfulError, match="'wave' cannot be given to this network"):
        register_network("wave", perceptron)
    with pytest.raises(HandfulError, match="choose another one"):
        register_network(UNNAMED + "wave", perceptron)


@pytest.mark.parametrize("thing", [3, None, "wave"])
def test_what_is_no_builder_is_refused(thing, as_users_call):
    with pytest.raises(HandfulError, match=r"called as build\(key, observation_size"):
        register_network("wave", thing)


def test_modules_and_builders_that_cannot_be_kept_in_a_dictionary_are_refused():
    import jax

    with pytest.raises(HandfulError, match="given as a builder"):
        name_of(Wave(jax.random.key(0), 2, 2))

    class Unhashable:
        __hash__ = None

        def __call__(self, *_):
            return None

    with pytest.raises(HandfulError, match="given as a builder"):
        name_of(Unhashable())


def test_an_unknown_name_says_what_to_do():
    with pytest.raises(HandfulError, match=r"no network named 'x:y'.*register_network\('x:y'"):
        find_network("x:y")
    with pytest.raises(HandfulError, match="pass the builder itself again"):
        find_network(f"{UNNAMED}build")


def test_names_are_imported_on_request_only():
    with pytest.raises(HandfulError, match="knows no network"):
        find_network("tests.networks:Wave")
    load_network("tests.networks:Wave")
    assert find_network("tests.networks:Wave") is Wave
    load_network("wave")  # no module:function
    for wrong in ("tests.networks:Absent", "tests.absent:Wave", "tests.:Wave"):
        with pytest.raises(HandfulError, match=f"'{wrong}' cannot be imported"):
            load_network(wrong)


def test_one_network_is_for_both_and_a_pair_for_each():
    name = "tests.networks:Wave"
    assert network_settings(None) == {}
    assert network_settings(Wave) == {"actor_network": name, "critic_network": name}
    assert network_settings("mine") == {"actor_network": "mine", "critic_network": "mine"}
    assert network_settings((None, Wave)) == {"actor_network": None, "critic_network": name}


def test_more_than_two_networks_are_refused(as_users_call):
    with pytest.raises(HandfulError, match=r"a pair of builders \(actor, critic\), not 3"):
        network_settings((Wave, Wave, Wave))


def test_settings_may_hold_builders():
    settings = {"actor_network": Wave, "critic_network": None, "gae_lambda": 0.9}
    assert with_names(settings) == {**settings, "actor_network": "tests.networks:Wave"}


def test_a_files_name_is_imported_with_consent_only():
    name = "tests.networks:Wave"
    with pytest.raises(HandfulError, match=r"The file has a network.*--trust.*network=build"):
        settled_name(name, None, "The file", trust=False)
    assert settled_name(name, None, "The file", trust=True) == name
    assert settled_name(name, None, "The file", trust=False) == name  # it is known now
    assert settled_name(name, perceptron, "The file", False) == "tests.networks:perceptron"
    with pytest.raises(HandfulError, match="cannot be imported: open it from Python and pass"):
        settled_name(f"{UNNAMED}build", None, "The file", trust=True)
