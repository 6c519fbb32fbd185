"""From training to another process without JAX and without the simulator: the same actions."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import handful
from handful.cli.main import main
from handful.deploy import verify
from handful.environment import num_symbols
from handful.export.bundle import bundle_files
from handful.learner.networks import Sharing, init_actor, init_stack
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies, reader_of
from handful.learner.squashed import squashed_actor
from tests.bundles import NESTED, nested_problem, put, release_of
from tests.deploy.test_bundle import BLOCKED

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")

ELSEWHERE = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"{{name}} is not here", name=name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import handful

bundle = handful.load(sys.argv[1])
given = np.load(sys.argv[2])
rows, found = given["rows"], {{}}
for k in range(bundle.num_policies):
    found[f"likeliest-{{k}}"] = bundle.act(rows, policy=k, flattened=True)
    rng = np.random.default_rng(7)
    found[f"sampled-{{k}}"] = bundle.act(rows, policy=k, rng=rng, flattened=True)
found["users"] = np.stack([bundle.act(rows[0], user=u, flattened=True) for u in bundle.assignment])
np.savez(sys.argv[3], **found)
"""
"""A program that acts by a bundle where nothing but NumPy is installed."""

SMALL = {"batch_size": 256, "num_envs": 8}


def trained(name, method="em", learner=None, settings=None, parameters=None, updates=2, **options):
    """A case: what is trained, and how."""
    return {
        "task": name,
        "parameters": parameters or {},
        "method": method,
        "learner": learner,
        "settings": {**SMALL, **(settings or {})},
        "updates": updates,
        "options": options,
    }


SHORT = {"keep_best": False, "final_assignment": "method"}

SLOW = {
    "fixed": trained(
        "resource-gathering",
        "fixed",
        parameters={"height": 2, "width": 2},
        method_settings={"policy": [0, 0, 1, 1]},
    ),
    "shared layers": trained("glide", settings={"share_hidden": True}, parameters={"users": 6}),
    "a family": trained("glide", settings={"family": True}, parameters={"users": 6}),
    "squashed": trained("glide", learner="sac", parameters={"users": 6}),
    "conditioned": trained("glide", "universal", parameters={"users": 6}, updates=40),
    "counting": trained("icu-sepsis", learner="counting", parameters={"users": 6}),
    "market": trained("market", parameters={"users": 6}),
    "glucose": trained("glucose", parameters={"users": 6}),
    "icu-sepsis": trained("icu-sepsis", parameters={"users": 6}),
    "highway": trained("highway", parameters={"users": 6}),
    "half-cheetah": trained("half-cheetah", parameters={"users": 6}),
    "hopper": trained("hopper", learner="sac", parameters={"users": 6}),
    "walker2d": trained("walker2d", parameters={"users": 6}),
    "ant": trained("ant", parameters={"users": 6}),
    "gymnasium": trained("gymnasium:CartPole-v1", parameters={"users": 6}),
    "mo-gymnasium": trained("mo-gymnasium:deep-sea-treasure-v0", parameters={"users": 6}),
}


def train(case):
    problem = (
        nested_problem()
        if case["task"] == "nested"
        else handful.make(case["task"], **case["parameters"])
    )
    return handful.train(
        problem,
        2,
        case["method"],
        learner=case["learner"],
        steps=case["settings"]["batch_size"] * case["updates"],
        seed=100,
        preset="fast",
        settings=case["settings"],
        progress=False,
        **case["options"],
    )


def check(problem, policies, assignment, bundle_folder):
    """Verify a bundle, and act in another process on what was recorded."""
    assert verify(bundle_folder).formats[0].largest_difference < 1e-6
    with np.load(bundle_folder / "vectors.npz") as recorded:
        rows = np.concatenate([recorded["0/observations"][:40], recorded["1/observations"][:40]])
    given, answered = (bundle_folder.parent / name for name in ("given.npz", "answered.npz"))
    np.savez(given, rows=rows)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, bundle_folder, given, answered],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    decode = getattr(problem.environment, "decode", lambda action: action)
    with np.load(answered) as found:
        for k in range(2):
            likeliest = policies.act(rows, k)
            drawn = policies.act(rows, k, rng=np.random.default_rng(7))
            for name, actions in (("likeliest", likeliest), ("sampled", drawn)):
                wanted = np.stack([np.asarray(decode(action)) for action in actions])
                got = found[f"{name}-{k}"]
                assert got.dtype == wanted.dtype
                np.testing.assert_array_equal(got, wanted)
        users = [decode(policies.act(rows[0], int(k))) for k in assignment]
        np.testing.assert_array_equal(found["users"], np.stack(users))


def test_another_process_acts_as_policies_with_observations_of_every_kind(tmp_path):
    result = train(trained("nested", run_settings=SHORT))
    saved = result.save(tmp_path / "bundle")
    check(result.problem, result.policies, result.assignment, saved)
    bundle = handful.load(saved)
    NESTED.seed(5)
    for observation in [NESTED.sample() for _ in range(10)]:
        for k in (0, 1):
            wanted = result.problem.environment.decode(result.policies.act(observation, k))
            np.testing.assert_array_equal(bundle.act(observation, policy=k), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW)
def test_another_process_acts_the_same_for_every_shipped_task(case, tmp_path):
    result = train(SLOW[case])
    saved = result.save(tmp_path / "bundle")
    check(result.problem, result.policies, result.assignment, saved)


def noisy(tree, seed=0):
    """The same networks with random numbers in all arrays: heads begin all but equal."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    drawn = [leaf + jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype) for leaf in leaves]
    return jax.tree.unflatten(structure, drawn)


@pytest.mark.parametrize("sharing", list(Sharing), ids=lambda sharing: sharing.value)
@pytest.mark.parametrize("kind", ["finite", "vectors", "squashed"])
def test_every_kind_of_network_acts_the_same(kind, sharing, tmp_path):
    """Policies that share layers, or differ by a context alone, are each whole in a bundle."""
    actions = spaces.Discrete(4) if kind == "finite" else spaces.Box(-2.0, 4.0, (2,))
    problem = nested_problem(actions, spaces.Box(-1.0, 1.0, (3,)))
    space = problem.environment.action_space
    if kind == "squashed":
        stack = init_stack(jax.random.key(0), 2, (3, 8, 8, 4), 1.0, sharing, context_size=2)
        actor = squashed_actor(noisy(stack), space)
    else:
        actor = init_actor(jax.random.key(0), 2, 3, space, (8, 8), sharing, -1.0, context_size=2)
        actor = noisy(actor)
    policies = Policies(actor, Normalizer.identity(2, 3), space, reader_of(problem.environment))
    files = bundle_files(release_of(problem, policies, [0, 1, 1]), False)
    check(problem, policies, [0, 1, 1], put(files, tmp_path / "bundle"))


def test_numbered_observations_are_looked_up(tmp_path):
    transitions = np.full((3, 2, 3), 1 / 3)
    problem = handful.tabular_problem(
        transitions, np.ones((4, 3, 2)), time_limit=6, observe_time=False
    )
    symbols = num_symbols(problem.environment)
    assert symbols == 3
    space = problem.environment.action_space
    actor = noisy(
        init_actor(jax.random.key(0), 2, 1, space, (8,), Sharing.NOTHING, num_symbols=symbols)
    )
    policies = Policies(actor, Normalizer.identity(2, 1, np.inf), space)
    files = bundle_files(release_of(problem, policies, [0, 1, 1, 0]), False)
    folder = put(files, tmp_path / "bundle")
    check(problem, policies, [0, 1, 1, 0], folder)
    bundle = handful.load(folder)
    everything = np.arange(symbols, dtype=np.float32)[:, None] / symbols
    np.testing.assert_array_equal(bundle.act(everything, policy=1), policies.act(everything, 1))
    for wrong in (-1.0, 1.0, 2.0):
        with pytest.raises(handful.HandfulError, match="none of the"):
            bundle.act(np.float32([wrong]), policy=0)


def test_the_command_exports_a_finished_run_without_evaluating_it_again(
    tmp_path, capsys, monkeypatch
):
    problem = handful.make("resource-gathering", height=2, width=2)
    result = handful.train(
        problem,
        2,
        "fixed",
        steps=512,
        seed=100,
        preset="fast",
        settings=SMALL,
        method_settings={"policy": [0, 0, 1, 1]},
        progress=False,
        out=tmp_path / "run",
    )

    def play(*_, **__):
        raise AssertionError("an evaluation is read, not played again")

    monkeypatch.setattr("handful.evaluation.returns.EpisodePlayer.__call__", play)
    main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "b"), "--zip"])
    assert capsys.readouterr().out == f"{tmp_path / 'b'}\n"
    bundle = handful.load(tmp_path / "b")
    assert handful.load(tmp_path / "b.zip").digest == bundle.digest
    assert bundle.manifest["training"]["run"] == "run"
    assert not (tmp_path / "b" / "users.csv").exists()
    check(problem, result.policies, result.assignment, tmp_path / "b")
    with pytest.raises(SystemExit) as stop:
        main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "b")])
    assert stop.value.code == 2
    assert "exists already, and a bundle is never changed" in capsys.readouterr().err
    main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "c.zip"), "--with-users"])
    assert handful.load(tmp_path / "c.zip").manifest["with_users"]
    (tmp_path / "run" / "evaluation.json").unlink()
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "d")])
    assert "is not finished" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
