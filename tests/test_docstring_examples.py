"""The examples in the docstrings of the main entry points run, in the order of a first program."""

import doctest
import inspect

import pytest

import handful

ENTRY_POINTS = (
    "make",
    "tabular_problem",
    "optimum",
    "Population",
    "RMDP",
    "from_gymnasium",
    "check_env",
    "AssignmentMethod",
    "train",
    "evaluate",
    "Policies.act",
)
"""Those after ``train`` use the problem and the result of its example."""


@pytest.fixture(scope="module")
def names():
    """The names that the examples define; a reader has imported the library."""
    return {"handful": handful}


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_the_example_of(entry_point, names):
    owner, _, member = entry_point.partition(".")
    public = getattr(handful, owner)
    text = inspect.getdoc(vars(public)[member] if member else public)
    example = doctest.DocTestParser().get_doctest(text, names, entry_point, None, None)
    assert example.examples
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(example, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)
    names.update(example.globs)
