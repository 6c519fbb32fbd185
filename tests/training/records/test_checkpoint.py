import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file

from handful.domains.tabular.problem import tabular_problem
from handful.errors import HandfulError
from handful.tensors import write_tensors
from handful.training.records.checkpoint import load_state, save_state
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import errands_problem, push_problem
from tests.host_environments import track_problem
from tests.training.helpers import arrays_of, assert_identical, config_of, train_tiny

PROBLEM = push_problem((0.5, -0.5))
SETTINGS = {"batch_size": 64, "num_epochs": 1}


@pytest.fixture(scope="module")
def trained():
    return train_tiny(PROBLEM, config_of(2, "end-to-end", **SETTINGS), updates=2)[0]


@pytest.fixture
def saved(trained, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_state(path, trained)
    return path


def template(**changes):
    return init_state(Run(PROBLEM, config_of(2, "end-to-end", **{**SETTINGS, **changes})))


def test_whole_state_comes_back_with_its_keys(trained, saved):
    loaded = load_state(saved, template())
    assert_identical(loaded, trained)
    assert jax.tree.structure(loaded) == jax.tree.structure(trained)
    for one, other in zip(jax.tree.leaves(loaded), jax.tree.leaves(trained), strict=True):
        assert one.dtype == other.dtype
    assert jax.random.uniform(loaded.key) == jax.random.uniform(trained.key)


def test_checkpoint_holds_all_that_a_run_is(saved, trained):
    """Not the actor alone: critic, moments, statistics, environments, table, assignment, keys."""
    names = set(load_file(saved))
    assert len(names) == len(arrays_of(trained))
    for part in (
        "key",
        "update",
        "learner/actor",
        "learner/critic",
        "learner/actor_moments",
        "learner/critic_moments",
        "learner/normalizer",
        "collector/keys",
        "collector/env_state",
        "collector/observations",
        "collector/episode_return",
        "table/mean",
        "table/seen",
        "assignment",
    ):
        assert any(name == part or name.startswith(f"{part}/") for name in names), part


def test_only_the_newest_checkpoint_is_left(saved):
    save_state(saved, template())
    assert_identical(load_state(saved, template()), template())
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("kind", [OSError, SafetensorError])
def test_old_checkpoint_stays_when_saving_fails(saved, monkeypatch, kind):
    before = saved.read_bytes()

    def fail(arrays, about):
        raise kind("No space left on device")

    monkeypatch.setattr("handful.tensors.save", fail)
    with pytest.raises(OSError, match="No space"):
        save_state(saved, template())
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(HandfulError, match=r"no checkpoint at.*train again"):
        load_state(tmp_path / "nothing", template())


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:10], id="cut in the header"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut in the middle"),
        pytest.param(lambda data: data[:-1], id="one byte short"),
        pytest.param(lambda data: b"\xff" * 100, id="something else"),
    ],
)
def test_damaged_checkpoint_is_refused(saved, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(HandfulError, match="cannot be read"):
        load_state(saved, template())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda arrays: arrays.pop("update"), id="an array is missing"),
        pytest.param(lambda arrays: arrays.update(more=np.zeros(2)), id="an array too many"),
        pytest.param(
            lambda arrays: arrays.update(update=np.zeros((), np.float32)), id="another type"
        ),
        pytest.param(
            lambda arrays: arrays.update(update=np.zeros(1, np.int32)), id="another shape"
        ),
    ],
)
def test_checkpoint_with_other_arrays_is_refused(saved, change):
    arrays = load_file(saved)
    change(arrays)
    write_tensors(saved, arrays, {})
    with pytest.raises(HandfulError, match="does not fit the run's settings"):
        load_state(saved, template())


@pytest.mark.parametrize("change", [{"hidden_sizes": (8,)}, {"num_envs": 4}])
def test_checkpoint_of_other_settings_is_refused(saved, change):
    with pytest.raises(HandfulError, match="does not fit"):
        load_state(saved, template(**change))


def test_any_tree_of_arrays_and_keys_can_be_kept(tmp_path):
    tree = {"a": (jnp.arange(3), jax.random.split(jax.random.key(1), 4)), "b": jnp.array(True)}
    save_state(tmp_path / "tree", tree)
    assert_identical(load_state(tmp_path / "tree", jax.tree.map(lambda leaf: leaf, tree)), tree)


def filled(template, seed=0):
    """A state of these shapes in which no number is zero and hardly two are the same."""
    generator = np.random.default_rng(seed)

    def fill(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.split(jax.random.key(seed + 1), leaf.shape)
        if leaf.dtype == bool:
            return jnp.ones(leaf.shape, bool)
        numbers = generator.integers(1, 2**20, leaf.shape)
        return jnp.asarray(numbers + 0.5 if leaf.dtype == jnp.float32 else numbers, leaf.dtype)

    return jax.tree.map(fill, template)


COUNTS = {"learner": "counting"}


def table_problem():
    """Four states, of which two actions lead to any; users who weigh two features."""
    table = np.full((4, 2, 4), 0.25)
    return tabular_problem(
        table, features=np.ones((4, 2, 2)), coefficients=np.eye(2), time_limit=5, observe_time=False
    )


@pytest.mark.parametrize(
    ("make_problem", "method", "settings", "ppo"),
    [
        pytest.param(errands_problem, "em", {}, {"short_episodes": 3}, id="short episodes"),
        pytest.param(errands_problem, "pooled-em", {}, {"share_hidden": False}, id="a pool"),
        pytest.param(errands_problem, "elite-em", {"archive_size": 9}, {}, id="an archive"),
        pytest.param(track_problem, "end-to-end", {}, {}, id="on the host"),
        pytest.param(table_problem, "em", {}, COUNTS, id="counts"),
    ],
)
def test_every_number_of_a_state_comes_back(tmp_path, make_problem, method, settings, ppo):
    """None of them is zero, as a lost one would come back."""
    problem = make_problem()
    config = config_of(2, method, method_settings=settings, **ppo)
    config = dataclasses.replace(config, discounted_table=True)
    shapes = jax.eval_shape(lambda: init_state(Run(problem, config)))
    state = filled(shapes)
    save_state(tmp_path / "state", state)
    assert_identical(load_state(tmp_path / "state", shapes), state)
