"""Runs with networks of the caller's own."""

import os
import signal
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.learner import PPO
from handful.learner.builders import UNNAMED, name_of
from handful.learner.networks import Sharing
from handful.run_folder import RunFolder
from handful.training.config import make_config
from handful.training.records.run_reader import open_run, resume_advice
from handful.training.session import TrainingInterrupted
from handful.training.watching.callbacks import Callback
from tests.environments import TMaze, errands_problem, problem_of
from tests.host_environments import track_problem
from tests.networks import Recurrent, Wave, perceptron
from tests.training.helpers import TINY


@pytest.fixture(autouse=True)
def no_builders(monkeypatch):
    """As in a new program."""
    forget(monkeypatch)


def forget(monkeypatch):
    monkeypatch.setattr("handful.learner.builders._BUILDERS", {})


def train(problem, method="em", network=Wave, updates=4, num_policies=2, settings=None, **more):
    settings = {**TINY, **(settings or {})}
    steps = updates * settings["batch_size"]
    return handful.train(
        problem,
        num_policies,
        method,
        network=network,
        steps=steps,
        settings=settings,
        progress=False,
        **more,
    )


def probabilities(result):
    size = result.problem.environment.observation_size
    rows = jax.random.normal(jax.random.key(0), (2, 5, size))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(result.policies(rows))])


def test_memory_reaches_what_no_policy_without_it_can(tmp_path):
    """The prize is on the side of a cue that only the first step shows."""
    problem = handful.with_history(problem_of(TMaze(), np.eye(2)), 5)
    result = handful.train(
        problem,
        2,
        "em",
        network=Recurrent,
        steps=32_768,
        preset="fast",
        settings={"learning_rate": 3e-3, "final_learning_rate": 1e-3},
        progress=False,
    )
    assert result.evaluation.welfare == 1.0
    assert sorted(result.assignment) == [0, 1]


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("end-to-end", {}),
        ("pooled-em", {"share_hidden": False}),
        ("elite-em", {}),
        # This one does nothing else with networks than em.
        pytest.param("soft-em", {}, marks=pytest.mark.slow),
    ],
)
def test_every_method_without_a_family_trains_own_networks(method, settings):
    result = train(errands_problem(), method, updates=6, settings=settings)
    assert result.config.learner.sharing is Sharing.NOTHING
    assert np.isfinite(result.evaluation.welfare)


@pytest.mark.parametrize("network", [(Wave, None), (None, Wave), (perceptron, Wave)])
def test_actors_and_critics_have_networks_of_their_own(network):
    result = train(errands_problem(), network=network)
    ppo = result.config.learner
    names = [None if one is None else name_of(one) for one in network]
    assert [ppo.actor_network, ppo.critic_network] == names
    assert ppo.sharing is ppo.critic_sharing is Sharing.NOTHING


def test_continuous_actions_of_an_environment_on_the_host():
    result = train(track_problem(), num_policies=2, updates=3)
    stack = result.policies.actor.stack
    assert stack.blueprint.build is Wave
    assert result.policies.actor.log_std.shape == (2, 1)
    assert -1.0 <= float(result.policies.act(np.zeros(3), policy=1)[0]) <= 1.0


def test_windows_of_an_environment_on_the_host():
    problem = handful.with_history(track_problem(), 3)
    result = train(problem, updates=2)
    assert result.policies.observation_size == 12
    seen = problem.environment.windows().begin(np.zeros((1, 3)))
    assert -1.0 <= float(result.policies.act(seen[0], policy=0)[0]) <= 1.0


def test_the_same_seed_gives_the_same_policies():
    one, other = (train(errands_problem()) for _ in range(2))
    np.testing.assert_array_equal(probabilities(one), probabilities(other))


class Stop(Callback):
    """Asks for an end, as Ctrl-C does, after the second update."""

    def on_update(self, report):
        if report.update == 2:
            os.kill(os.getpid(), signal.SIGINT)


def local_builder(key, observation_size, num_outputs):
    return Wave(key, observation_size, num_outputs)


@pytest.mark.parametrize("network", ["importable", "unnamed"])
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path, monkeypatch, network):
    build = Wave if network == "importable" else lambda *given: local_builder(*given)
    problem, out = errands_problem(), tmp_path / "run"
    whole = train(problem, network=build)
    with pytest.raises(TrainingInterrupted):
        train(problem, network=build, out=out, callbacks=[Stop()])
    forget(monkeypatch)
    resumed = handful.resume(out, problem, network=build, progress=False)
    np.testing.assert_array_equal(probabilities(resumed), probabilities(whole))
    forget(monkeypatch)
    read = handful.resume(out, problem, network=build)
    np.testing.assert_array_equal(probabilities(read), probabilities(whole))
    assert read.evaluation.welfare == whole.evaluation.welfare


def test_a_folder_imports_its_network_with_consent_only(tmp_path, monkeypatch):
    problem, out = errands_problem(), tmp_path / "run"
    train(problem, out=out)
    stored = RunFolder(out).read_config()["settings"]["learner"]
    assert stored["actor_network"] == stored["critic_network"] == "tests.networks:Wave"
    forget(monkeypatch)
    with pytest.raises(HandfulError, match=r"that names a module to import.*--trust"):
        handful.resume(out, problem)
    assert handful.resume(out, problem, trust=True).config.learner.actor_network == name_of(Wave)


def test_a_strangers_folder_runs_no_code(tmp_path, monkeypatch):
    from tests.training.test_evidence import edit

    problem, out = errands_problem(), tmp_path / "run"
    with pytest.raises(TrainingInterrupted):
        train(problem, out=out, callbacks=[Stop()])
    RunFolder(out).checkpoint.unlink()
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'MARK')!r}, 'w')\nbuild = print\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    edit(out / "config.json", lambda c: c["settings"]["learner"].update(actor_network="evil:build"))
    with pytest.raises(HandfulError, match="'evil:build', and that names a module to import"):
        handful.resume(out, problem)
    assert not Path(tmp_path / "MARK").exists()
    assert "evil" not in sys.modules


def test_how_a_run_is_continued_is_said(tmp_path):
    problem, named = errands_problem(), handful.make("resource-gathering", height=2, width=2)
    unnamed = lambda *given: Wave(*given)  # noqa: E731
    for index, (task, network, advice) in enumerate(
        [
            (problem, Wave, r"handful\.resume\('.*', problem\)"),
            (problem, unnamed, r"handful\.resume\('.*', problem, network=build\)"),
            (named, unnamed, r"handful\.resume\('[^,]*', network=build\)"),
            (named, Wave, r"handful resume .* --trust"),
        ]
    ):
        out = tmp_path / str(index)
        with pytest.raises(TrainingInterrupted, match=advice):
            train(task, network=network, out=out, callbacks=[Stop()])
        assert "continue" in resume_advice(RunFolder(out), task)


def test_what_was_trained_with_the_librarys_network_takes_no_other(tmp_path):
    problem, out = errands_problem(), tmp_path / "run"
    train(problem, network=None, out=out)
    with pytest.raises(HandfulError, match="trained with the library's own networks"):
        open_run(out, problem, network=Wave)


def test_an_unnamed_network_must_be_given_again(tmp_path, monkeypatch):
    problem, out = errands_problem(), tmp_path / "run"
    train(problem, network=lambda *given: Wave(*given), out=out)
    forget(monkeypatch)
    with pytest.raises(HandfulError, match=f"'{UNNAMED}<lambda>', which cannot be imported"):
        handful.resume(out, problem, trust=True)


def too_wide(key, observation_size, num_outputs):
    return Wave(key, observation_size, num_outputs + 1)


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    problem = errands_problem()
    with pytest.raises(HandfulError, match=r"actor's network '.*too_wide' returns float32\[\d\]"):
        train(problem, network=too_wide, out=tmp_path / "run")
    with pytest.raises(HandfulError, match=r"critic's network '.*too_wide' returns float32"):
        train(problem, network=(None, too_wide), out=tmp_path / "run")
    with pytest.raises(HandfulError, match="knows no network named 'wave'"):
        train(problem, network="wave", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def huge(key, observation_size, num_outputs):
    import equinox as eqx

    return eqx.nn.MLP(observation_size, num_outputs, 40_000, 2, key=key)


def test_networks_that_no_memory_holds_are_refused():
    with pytest.raises(HandfulError, match=r"actor's network .* weights for 2 policies"):
        train(errands_problem(), network=huge)


def test_a_family_has_no_networks_of_ones_own():
    glide = handful.make("glide", users=4)
    with pytest.raises(HandfulError, match="family share all but the biases of a first layer"):
        train(glide, "family-em")
    falls = handful.make("ant", users=4)  # an episode may end before its time limit
    assert make_config(falls, 2, "auto", "fast").method == "family-em"
    config = make_config(falls, 2, "auto", "fast", {"actor_network": Wave})
    assert config.method == "em"
    assert config.learner.actor_network == name_of(Wave)
    # Critics of a family share nothing, so that theirs may be of any kind.
    assert PPO(family=True, critic_network="wave").critic_sharing is Sharing.NOTHING


def test_a_learner_that_counts_has_no_networks():
    moves = np.zeros((2, 2, 2))  # either action leads on, and then ends the episode
    moves[0, :, 1] = 1.0
    problem = handful.tabular_problem(moves, rewards=np.ones((2, 2, 2)))
    with pytest.raises(HandfulError, match="'counting' has no setting 'actor_network'"):
        handful.train(problem, 2, settings={"learner": "counting"}, network=Wave)


def test_the_command_line_imports_the_network_that_it_names(tmp_path, monkeypatch):
    from handful.cli.main import main

    out = tmp_path / "run"
    command = ["train", "resource-gathering", "--policies", "2", "--out", str(out)]
    command += ["--network", "tests.networks:Wave", "--steps", "2048", "--preset", "fast"]
    command += ["--param.height", "2", "--param.width", "2", "--no-tensorboard"]
    _run(main, command)
    assert RunFolder(out).is_finished
    forget(monkeypatch)
    _run(main, ["evaluate", str(out), "--episodes", "4"], code=2)
    _run(main, ["evaluate", str(out), "--episodes", "4", "--trust"])


def _run(main, command, code=0):
    try:
        found = main(command)
    except SystemExit as end:
        found = end.code
    assert (found or 0) == code
