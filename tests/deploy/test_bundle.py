"""Policies in use act as the policies of the result do, on observations as simulators give them."""

import math
import subprocess
import sys
from threading import Thread

import numpy as np
import pytest
from gymnasium import spaces

import handful
from handful.deploy.bundle import Bundle
from handful.deploy.files import CheckedFiles, open_files
from handful.export.bundle import bundle_files
from tests.bundles import (
    NESTED,
    Nested,
    nested_files,
    nested_problem,
    put,
    random_policies,
    release_of,
)

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    """A problem, its policies, and the folder of their bundle."""
    problem, policies, files = nested_files()
    return problem, policies, put(files, tmp_path_factory.mktemp("nested") / "bundle")


def sampled(space, number, seed=0):
    space.seed(seed)
    return [space.sample() for _ in range(number)]


def test_a_raw_observation_gets_the_action_that_the_simulator_takes(nested):
    problem, policies, folder = nested
    bundle = handful.load(folder)
    for observation in sampled(NESTED, 20):
        for policy in (0, 1):
            action = bundle.act(observation, policy=policy)
            index = policies.act(observation, policy)
            np.testing.assert_array_equal(action, problem.environment.decode(index))
            assert action.dtype == np.int64
            assert spaces.MultiDiscrete([3, 2], start=[-1, 5]).contains(action)


def test_a_batch_is_a_list_or_arrays_with_an_axis_in_front(nested):
    _, _, folder = nested
    bundle = handful.load(folder)
    many = sampled(NESTED, 6)
    singly = np.stack([bundle.act(one, policy=1) for one in many])
    np.testing.assert_array_equal(bundle.act(many, policy=1), singly)
    stacked = {
        "camera": np.stack([one["camera"] for one in many]),
        "body": {
            "speed": np.stack([one["body"]["speed"] for one in many]),
            "gear": np.array([one["body"]["gear"] for one in many]),
        },
        "doors": np.stack([one["doors"] for one in many]),
        "levers": np.stack([one["levers"] for one in many]),
        "history": tuple(np.array([one["history"][part] for one in many]) for part in (0, 1)),
    }
    np.testing.assert_array_equal(bundle.act(stacked, policy=1), singly)
    own = np.array([0, 1, 1, 0, 1, 0])
    mixed = [bundle.act(one, policy=int(k)) for one, k in zip(many, own, strict=True)]
    np.testing.assert_array_equal(bundle.act(many, policy=own), np.stack(mixed))


def test_flattening_is_that_of_gymnasium(nested):
    problem, _, folder = nested
    reader = handful.load(folder).interface.reader
    for observation in sampled(NESTED, 20, seed=3):
        wanted = spaces.flatten(NESTED, observation).astype(np.float32)
        np.testing.assert_array_equal(reader(observation), wanted)
    names = reader.names()
    assert len(names) == problem.environment.observation_size
    # Gymnasium sorts the parts of a mapping by name.
    gears = [f"body.gear={gear}" for gear in (-1, 0, 1, 2)]
    assert names[:6] == [*gears, "body.speed[0]", "body.speed[1]"]
    assert "camera[1,2]" in names
    assert "levers[1]=3" in names


def test_an_offset_is_subtracted_in_double_precision(tmp_path):
    space = spaces.Box(1.7e9, 1.7e9 + 1000.0, (2,), np.float64)
    env, offset = Nested(None, space), [1.7e9, 1.7e9 + 500.0]
    problem = handful.from_gymnasium(
        env, [[1.0]], time_limit=5, processes=1, observation_offset=offset
    )
    policies = random_policies(problem, 1)
    bundle = handful.load(put(bundle_files(release_of(problem, policies, [0]), False), tmp_path))
    raw = np.array([1.7e9 + 0.25, 1.7e9 + 500.125])
    np.testing.assert_array_equal(bundle.interface.reader(raw), np.float32([0.25, 0.125]))
    flat = np.float32([0.25, 0.125])
    np.testing.assert_array_equal(
        bundle.act(raw, policy=0), bundle.act(flat, policy=0, flattened=True)
    )


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3, start=-1),
        spaces.MultiBinary(2),
        spaces.Box(0, 2, (2,), np.int16),
        spaces.Box(np.array([-2.0, 0.0]), np.array([4.0, np.inf]), (2,), np.float64),
        spaces.Box(-3.0, 5.0, (2, 2), np.float32),
    ],
    ids=["discrete", "binary", "whole", "half-bounded", "matrix"],
)
def test_every_kind_of_action_is_decoded(space, tmp_path):
    problem = nested_problem(space, spaces.Box(-1.0, 1.0, (3,)))
    policies = random_policies(problem, 2)
    folder = put(bundle_files(release_of(problem, policies, [0, 1, 0]), False), tmp_path / "b")
    bundle = handful.load(folder)
    rows = np.random.default_rng(0).uniform(-1, 1, (30, 3)).astype(np.float32)
    for policy in (0, 1):
        wanted = [problem.environment.decode(policies.act(row, policy)) for row in rows]
        got = bundle.act(rows, policy=policy)
        np.testing.assert_allclose(got, np.stack(wanted), rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(bundle.act(rows[7], policy=policy), wanted[7])
        assert got.dtype == space.dtype
        one = bundle.act(rows[0], policy=policy, rng=np.random.default_rng(5))
        same = policies.act(rows[0], policy, rng=np.random.default_rng(5))
        np.testing.assert_array_equal(one, problem.environment.decode(same))
        assert space.contains(one)


def test_sampled_actions_follow_the_seed_and_the_distribution(nested):
    _, _, folder = nested
    bundle = handful.load(folder)
    observation = sampled(NESTED, 1)[0]
    many = np.repeat(bundle.interface.reader([observation]), 4000, axis=0)

    def draw(seed):
        rng = np.random.default_rng(seed)
        return bundle.act(many, policy=0, rng=rng, flattened=True)

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    logits = bundle.outputs(0, bundle.interface.reader([observation]))[0].astype(float)
    wanted = np.exp(logits - logits.max())
    wanted /= wanted.sum()
    actions = draw(3) - np.array([-1, 5])
    shares = np.bincount(actions[:, 0] * 2 + actions[:, 1], minlength=6) / len(many)
    np.testing.assert_allclose(shares, wanted, atol=4 * math.sqrt(0.25 / len(many)))


def test_users_are_known_by_name_and_by_number(nested):
    _, _, folder = nested
    bundle = handful.load(folder)
    observation = sampled(NESTED, 1)[0]
    assert dict(bundle.assignment) == {"user-0": 0, "user-1": 1, "user-2": 0}
    for user, policy in (("user-1", 1), (2, 0), (np.int64(1), 1)):
        np.testing.assert_array_equal(
            bundle.act(observation, user=user), bundle.act(observation, policy=policy)
        )
    many = sampled(NESTED, 3)
    np.testing.assert_array_equal(
        bundle.act(many, user=["user-1", "user-0", "user-1"]), bundle.act(many, policy=[1, 0, 1])
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "either the number of a policy or the name of a user"),
        ({"policy": 0, "user": "user-0"}, "either the number of a policy or the name of a user"),
        ({"policy": 2}, "no policy 2: choose from 0 to 1"),
        ({"policy": True}, "no policy True"),
        ({"policy": 0.0}, "no policy 0.0"),
        ({"policy": [0, 1]}, "one for each observation in shape []"),
        ({"user": "nobody"}, "has no user 'nobody'"),
        ({"user": 3}, "has no user 3"),
        ({"user": -1}, "has no user -1"),
        ({"user": ["user-0"]}, "a list with one for each observation"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_a_wrong_policy_or_user_is_named(nested, arguments, said):
    bundle = handful.load(nested[2])
    with pytest.raises(handful.HandfulError) as error:
        bundle.act(sampled(NESTED, 1)[0], **arguments)
    assert said in str(error.value)


def change(observation, path, value):
    changed = {**observation, "body": dict(observation["body"])}
    inside = changed
    for name in path[:-1]:
        inside = inside[name]
    if value is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("camera",), np.zeros((3, 2)), "the observation['camera'] must have the shape [2, 3]"),
        (("body", "gear"), 7, "the observation['body']['gear'] is none of its choices"),
        (("body", "gear"), 0.5, "is none of its choices"),
        (("body", "gear"), float("nan"), "is none of its choices"),
        (("body", "speed"), ["fast", "slow"], "must be numbers"),
        (("body", "speed"), [[1.0], [1.0, 2.0]], "must be numbers"),
        (("body", "speed"), None, "the observation['body'] lacks the part 'speed'"),
        (("body", "speed"), np.zeros((5, 2)), "batches of different sizes"),
        (("doors",), [1, 0], "must have the shape [3]"),
        (("levers",), [[0, 1], [0, 9]], "is none of its choices"),
        (("history",), [0.0, 1], "must be a tuple of 2 parts"),
        (("history",), (0.0,), "must be a tuple of 2 parts"),
    ],
)
def test_an_observation_that_does_not_fit_is_refused_with_its_place(nested, path, value, said):
    bundle = handful.load(nested[2])
    with pytest.raises(handful.HandfulError) as error:
        bundle.act(change(sampled(NESTED, 1)[0], path, value), policy=0)
    assert said in str(error.value)


def vector_bundle(tmp_path, **options):
    problem = nested_problem(None, spaces.Box(-1.0, 1.0, (3,)))
    policies = random_policies(problem, 2)
    folder = put(bundle_files(release_of(problem, policies, [0, 1, 0]), False), tmp_path / "v")
    return policies, handful.load(folder, **options)


FAR = np.array([0.0, 50.0, 0.0], np.float32)


def test_observations_out_of_range_are_counted(tmp_path):
    policies, bundle = vector_bundle(tmp_path)
    inside = np.zeros((4, 3), np.float32)
    bundle.act(inside, policy=0)
    index = policies.act(FAR, 1)
    np.testing.assert_array_equal(
        bundle.act(FAR, policy=1), np.array([index // 2 - 1, index % 2 + 5])
    )
    bundle.act(np.stack([FAR, -FAR, inside[0]]), policy=1)
    seen = bundle.out_of_range
    assert (seen.observations, seen.outside, seen.by_entry.tolist()) == (8, 3, [0, 3, 0])


def test_observations_out_of_range_are_refused_if_asked(tmp_path):
    _, bundle = vector_bundle(tmp_path, on_out_of_range="refuse")
    bundle.act(np.zeros(3, np.float32), policy=0)
    with pytest.raises(handful.HandfulError, match=r"entry 1 \(\[1\]\) is 50"):
        bundle.act(np.stack([np.zeros(3, np.float32), FAR]), policy=0)
    assert bundle.out_of_range.outside == 1


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_never_reach_a_policy(tmp_path, number):
    _, bundle = vector_bundle(tmp_path)
    with pytest.raises(handful.HandfulError, match="was seen"):
        bundle.act(np.array([0.0, 0.0, number], np.float32), policy=0)


def test_a_fallback_acts_out_of_range_and_for_unknown_users(tmp_path):
    _, bundle = vector_bundle(
        tmp_path, on_out_of_range="fallback", fallback_policy=1, fallback_action=None
    )
    inside = np.full(3, 0.5, np.float32)
    np.testing.assert_array_equal(bundle.act(FAR, policy=0), bundle.act(FAR, policy=1))
    np.testing.assert_array_equal(bundle.act(inside, user="new"), bundle.act(inside, policy=1))
    _, bundle = vector_bundle(
        tmp_path / "2", on_out_of_range="fallback", fallback_action=np.array([0, 5])
    )
    rows = np.stack([inside, FAR, np.full(3, np.nan, np.float32)])
    actions = bundle.act(rows, policy=0)
    np.testing.assert_array_equal(actions[0], bundle.act(inside, policy=0))
    np.testing.assert_array_equal(actions[1:], [[0, 5], [0, 5]])
    np.testing.assert_array_equal(bundle.act(inside, user="new"), [0, 5])
    mixed = bundle.act(np.stack([inside, inside]), user=["user-1", "new"])
    np.testing.assert_array_equal(mixed, [bundle.act(inside, user="user-1"), [0, 5]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_out_of_range": "ignore"}, "must be 'count', 'refuse' or 'fallback'"),
        ({"on_out_of_range": "fallback"}, "needs a fallback_policy or a fallback_action"),
        ({"fallback_policy": 9}, "no policy 9"),
        ({"fallback_action": [1, 2, 3]}, "of shape [2]"),
        ({"fallback_action": "stop"}, "of shape [2]"),
        ({"slack": -0.5}, "slack must be a number from 0 on"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_wrong_options_are_refused(nested, options, said):
    with pytest.raises(handful.HandfulError) as error:
        handful.load(nested[2], **options)
    assert said in str(error.value)


def test_threads_do_not_lose_counts(tmp_path):
    _, bundle = vector_bundle(tmp_path)

    def act():
        for _ in range(300):
            bundle.act(FAR, policy=0)

    threads = [Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = bundle.out_of_range
    assert (seen.observations, seen.outside, seen.by_entry[1]) == (1200, 1200, 1200)


def test_a_bundle_needs_numpy_only_and_shows_no_user(nested, tmp_path):
    """A process that cannot import JAX and the rest of the library loads it and acts the same."""
    _, _, folder = nested
    bundle = handful.load(folder)
    assert "user-" not in repr(bundle)
    many = sampled(NESTED, 5)
    script = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"{{name}} is not here", name=name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import handful
from handful.deploy import verify

verify({str(folder)!r})
bundle = handful.load({str(folder)!r})
rows = np.load({str(tmp_path / "rows.npy")!r})
np.save({str(tmp_path / "actions.npy")!r}, bundle.act(rows, policy=1, flattened=True))
"""
    np.save(tmp_path / "rows.npy", bundle.interface.reader(many))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    actions = np.load(tmp_path / "actions.npy")
    np.testing.assert_array_equal(actions, bundle.act(many, policy=1))


BLOCKED = [
    "equinox",
    "gymnasium",
    "jax",
    "jaxlib",
    "jaxtyping",
    "optax",
    "rich",
    "safetensors",
    "scipy",
    "tyro",
]


def test_what_is_read_are_the_checked_files(nested):
    files = CheckedFiles(open_files(nested[2]))
    assert Bundle(files).digest == files.digest == handful.load(nested[2]).digest
