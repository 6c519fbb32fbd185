"""A bundle's policies are rebuilt to the bit, and training goes on from them."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest
from gymnasium import spaces

import handful
from handful.deploy.actions import read_actions
from handful.errors import HandfulError
from handful.export.bundle import bundle_files, write_bundle
from handful.export.rebuilding import rebuilt_policies
from handful.learner.networks import Sharing, init_actor, init_stack
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from handful.learner.policies_file import arrays_of, digests_of_policies, unshared
from handful.learner.squashed import squashed_actor
from handful.training.starting.start import read_start
from tests.bundles import nested_problem, put, random_policies, release_of
from tests.export.test_round_trip import noisy
from tests.training.helpers import TINY

BOX = spaces.Box(-1.0, 1.0, (3,))


def bundle_of(problem, policies, folder, users=3):
    """A bundle of these policies, loaded."""
    assignment = np.arange(users) % policies.num_policies
    release = release_of(problem, policies, assignment)
    return handful.load(put(bundle_files(release, False), folder))


def networks(kind, sharing, problem):
    space = problem.environment.action_space
    if kind == "squashed":
        stack = init_stack(jax.random.key(0), 2, (3, 8, 8, 4), 1.0, sharing, context_size=2)
        return squashed_actor(noisy(stack), space)
    return noisy(init_actor(jax.random.key(0), 2, 3, space, (8, 8), sharing, -1.0, context_size=2))


@pytest.mark.parametrize(
    ("kind", "sharing", "clip"),
    [
        ("finite", Sharing.HIDDEN, 10.0),
        ("vectors", Sharing.FAMILY, np.inf),
        ("squashed", Sharing.NOTHING, 10.0),
    ],
    ids=["finite", "vectors", "squashed"],
)
def test_rebuilt_policies_are_the_same_to_the_bit(kind, sharing, clip, tmp_path):
    actions = spaces.Discrete(4) if kind == "finite" else spaces.Box(-2.0, 4.1, (2,), np.float64)
    problem = nested_problem(actions, BOX)
    space = problem.environment.action_space
    rng = np.random.default_rng(1)
    drawn = random_policies(problem, 2, seed=3).normalizer
    normalizer = Normalizer(drawn.count, drawn.mean, drawn.variance, clip)
    policies = Policies(networks(kind, sharing, problem), normalizer, space)
    rebuilt = rebuilt_policies(bundle_of(problem, policies, tmp_path / "bundle"), problem)
    apart = unshared(policies)
    assert jax.tree.structure(rebuilt) == jax.tree.structure(apart)
    before, after = arrays_of(policies), arrays_of(rebuilt)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert after[name].dtype == np.float32
        np.testing.assert_array_equal(values, after[name], err_msg=name)
    rows = rng.normal(size=(50, 3)).astype(np.float32)
    for k in range(2):
        np.testing.assert_array_equal(rebuilt.act(rows, k), apart.act(rows, k))


def test_numbered_observations_are_looked_up_again(tmp_path):
    problem = handful.tabular_problem(
        np.full((3, 2, 3), 1 / 3), np.ones((4, 3, 2)), time_limit=6, observe_time=False
    )
    space = problem.environment.action_space
    actor = noisy(init_actor(jax.random.key(0), 2, 1, space, (8,), Sharing.NOTHING, num_symbols=3))
    policies = Policies(actor, Normalizer.identity(2, 1, np.inf), space)
    rebuilt = rebuilt_policies(bundle_of(problem, policies, tmp_path / "b", users=4), problem)
    assert digests_of_policies(rebuilt) == digests_of_policies(policies)
    assert jax.tree.structure(rebuilt) == jax.tree.structure(policies)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epsilon": 1e-3}, "normalise observations or draw actions otherwise"),
        ({"clip": 3.0}, "networks of different kinds"),
    ],
)
def test_policies_that_cannot_be_trained_together_are_refused(changes, sentence, tmp_path):
    problem = nested_problem(spaces.Discrete(4), BOX)
    bundle = bundle_of(problem, random_policies(problem, 2), tmp_path / "bundle")
    first, second = bundle.policies
    changed = [dataclasses.replace(one, **changes) for one in (first, second)]
    bundle.policies = (first, changed[1]) if "clip" in changes else tuple(changed)
    with pytest.raises(HandfulError, match=sentence):
        rebuilt_policies(bundle, problem)


@pytest.mark.parametrize(
    ("made", "asked", "sentence"),
    [
        (spaces.Discrete(4), spaces.Discrete(5), "choose one of 4 discrete actions"),
        (spaces.Discrete(4), spaces.Discrete(4, start=1), "same numbers for other actions"),
        (spaces.Box(-1.0, 1.0, (2,)), spaces.Box(-1.0, 2.0, (2,)), "for other actions|they choose"),
    ],
)
def test_policies_of_another_problem_are_refused(made, asked, sentence, tmp_path):
    problem = nested_problem(made, BOX)
    bundle = bundle_of(problem, random_policies(problem, 2), tmp_path / "bundle")
    with pytest.raises(HandfulError, match=sentence):
        rebuilt_policies(bundle, nested_problem(asked, BOX))


def test_a_spread_of_another_range_is_refused(tmp_path):
    problem = nested_problem(spaces.Box(-1.0, 1.0, (2,)), BOX)
    actor = networks("squashed", Sharing.NOTHING, problem)
    space = problem.environment.action_space
    policies = Policies(actor, Normalizer.identity(2, 3), space)
    bundle = bundle_of(problem, policies, tmp_path / "bundle")
    described = {"kind": "box", "low": [-1, -1], "high": [1, 1], "squashed": True}
    bundle.interface = dataclasses.replace(
        bundle.interface, actions=read_actions({**described, "log_std_range": [-9.0, 2.0]})
    )
    with pytest.raises(HandfulError, match="draw actions otherwise"):
        rebuilt_policies(bundle, problem)


def problem():
    return handful.make("resource-gathering", height=2, width=3)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Policies, and the folder that holds their bundle as a folder and as a zip file."""
    policies = random_policies(problem(), 3, hidden=(16,))
    release = release_of(problem(), policies, [0, 1, 2, 0, 1, 2])
    release = dataclasses.replace(release, about={**release.about, "training": {"learner": "ppo"}})
    place = tmp_path_factory.mktemp("first")
    write_bundle(release, place / "bundle", place / "bundle.zip", False)
    return policies, place


def test_a_folder_a_zip_file_and_a_loaded_bundle_give_the_same_start(first):
    policies, place = first
    wanted = read_start(policies, (2, 0), problem(), 4)
    for source in (place / "bundle", str(place / "bundle.zip"), handful.load(place / "bundle")):
        found = read_start(source, (2, 0), problem(), 4)
        assert digests_of_policies(found.policies) == digests_of_policies(policies)
        assert found.settings == wanted.settings
        assert found.learner == "ppo"
        assert found.learner_settings(problem(), 4, "paper", None)["hidden_sizes"] == (16,)


def test_training_goes_on_from_a_bundle_with_some_of_it_frozen_to_the_bit(first):
    policies, place = first
    settings = {name: value for name, value in TINY.items() if name != "hidden_sizes"}
    result = handful.train(
        problem(),
        3,
        steps=4 * TINY["batch_size"],
        seed=2,
        settings=settings,
        run_settings={"keep_best": False},
        start_from=place / "bundle.zip",
        frozen=[0, 2],
        progress=False,
    )
    assert result.config.method == "em"
    pairs = zip(digests_of_policies(policies), digests_of_policies(result.policies), strict=True)
    assert [before == after for before, after in pairs] == [True, False, True]


@pytest.mark.parametrize(
    ("named", "learner"), [("counting", "counting"), ("os:system", None), (7, None), (None, None)]
)
def test_only_the_name_of_a_learner_of_ours_is_taken_from_a_bundle(first, named, learner):
    bundle = handful.load(first[1] / "bundle")
    bundle.manifest["training"] = {} if named is None else {"learner": named}
    given = read_start(bundle, (), problem(), 3)
    assert given.learner == learner
    assert "os" not in given.learner_settings(problem(), 3, "paper", None)["learner"]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("nowhere.zip", "no bundle at"), ("damaged", "was changed after the bundle was made")],
)
def test_a_bundle_that_is_missing_or_damaged_is_refused(first, place, sentence, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(first[1] / "bundle", damaged)
    (damaged / "policies/1.safetensors").chmod(0o644)
    data = bytearray((damaged / "policies/1.safetensors").read_bytes())
    data[-1] ^= 1
    (damaged / "policies/1.safetensors").write_bytes(data)
    with pytest.raises(HandfulError, match=sentence):
        handful.train(problem(), 3, start_from=tmp_path / place)
