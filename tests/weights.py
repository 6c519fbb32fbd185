"""A task whose users come as a table of weights: the bandit's two arms, by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from handful.catalogue import _TASKS
from handful.population import Population
from handful.problem import RMDP, register
from tests.environments import ContextualBandit


def make_arms(**parameters: Any) -> RMDP:
    return RMDP(
        ContextualBandit(),
        Population.from_table(parameters["population"], ["left", "right"]),
        name="arms",
        parameters=parameters,
    )


@contextmanager
def arms_registered() -> Iterator[None]:
    """Within it there is a task named ``arms``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handful.catalogue._TASKS", dict(_TASKS))
        register("arms", "tests.weights:make_arms", "Two arms.", samples_users=True)
        yield
