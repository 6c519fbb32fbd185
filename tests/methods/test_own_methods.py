"""Methods of other people: objects, names, and names of classes in modules."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import pytest

from handful.errors import HandfulError
from handful.methods import (
    METHODS,
    AssignmentMethod,
    ExpectationMaximization,
    make_method,
    register_method,
)


@dataclass(frozen=True)
class InTurn(AssignmentMethod):
    """Users are dealt out in turn, from a first policy on."""

    first: int = 0

    def init(self, key, num_users, num_policies):
        """One-hot rows."""
        del key
        return jax.nn.one_hot((jnp.arange(num_users) + self.first) % num_policies, num_policies)

    def weights(self, state):
        """As dealt."""
        return state


class Forgetful(InTurn):
    """A setting that is no field is lost when the method is made again."""

    def __init__(self, first, secret):
        super().__init__(first)
        object.__setattr__(self, "secret", secret)


def test_an_object_is_kept_as_its_name_and_settings():
    name, settings = METHODS.describe(InTurn(first=2))
    assert name == f"{__name__}:InTurn"
    assert settings == {"first": 2}
    assert make_method(name, **settings) == InTurn(first=2)
    assert METHODS.describe(ExpectationMaximization(warm_up=3))[0] == "em"


def test_a_name_of_its_own():
    register_method("in-turn", InTurn)
    register_method("in-turn", InTurn)  # as a module does that is imported again
    assert METHODS.find("in-turn") is InTurn
    assert METHODS.describe(InTurn()) == ("in-turn", {"first": 0})


@pytest.mark.parametrize("name", ["em", "auto", ""])
def test_a_name_that_is_taken_is_refused(name):
    with pytest.raises(HandfulError, match="cannot be given to the assignment method InTurn"):
        register_method(name, InTurn)


@pytest.mark.parametrize("name", ["json:JSONDecoder", "handful.methods:METHODS"])
def test_what_is_no_method_is_refused(name):
    with pytest.raises(HandfulError, match=r"a class derived from handful\.AssignmentMethod"):
        METHODS.load(name)


@dataclass(frozen=True)
class AllTo(AssignmentMethod):
    """One policy has all users, and no default says which one."""

    policy: int
    spare: int = 0

    def init(self, key, num_users, num_policies):
        return jnp.full(num_users, self.policy)

    def weights(self, state):
        return state


def test_a_setting_without_a_default_must_be_given():
    register_method("all-to", AllTo)
    assert make_method("all-to", policy=2) == AllTo(2)
    with pytest.raises(HandfulError, match=r"method 'all-to' needs a value for .* 'policy'"):
        make_method("all-to", spare=1)


def test_a_method_that_its_fields_do_not_make_again_is_refused():
    with pytest.raises(HandfulError, match="Forgetful cannot be made again from its fields"):
        METHODS.describe(Forgetful(1, secret=2))


def test_a_class_in_a_module_is_loaded_when_the_caller_names_it(tmp_path, monkeypatch):
    (tmp_path / "dealers.py").write_text(
        "from handful.methods import RandomAssignment as Dealer\n\nclass Mine(Dealer):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HandfulError, match="'dealers:Mine' is not known to this program"):
        METHODS.find("dealers:Mine")  # a run folder's word is not the caller's
    METHODS.load("em")  # nothing to load
    METHODS.load("dealers:Mine")
    assert METHODS.find("dealers:Mine").__name__ == "Mine"


@pytest.mark.parametrize("name", ["no_such_module:Mine", "json:Mine"])
def test_a_class_that_is_not_there_is_one_sentence(name):
    with pytest.raises(HandfulError, match=f"'{name}' cannot be imported"):
        METHODS.load(name)
