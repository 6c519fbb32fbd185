import csv
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.population import Population
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.training import loop
from handful.training.records.run_reader import load_run_state, open_run
from handful.training.watching.callbacks import Callback
from tests.environments import ContextualBandit, Countdown, Fuse, Weather, problem_of
from tests.training.helpers import TINY, arrays_of, assert_identical

UPDATES = 3
STEPS = UPDATES * TINY["batch_size"]


class Recorder(Callback):
    def __init__(self):
        self.reports, self.closed = [], False

    def __exit__(self, *_):
        self.closed = True

    def on_update(self, report):
        self.reports.append(report)


def small_grid():
    return handful.make("resource-gathering", height=2, width=2)


def run_tiny(problem, method="em", num_policies=2, steps=STEPS, **options):
    return handful.train(problem, num_policies, method, steps=steps, settings=TINY, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that was kept, and what its callback heard."""
    out, recorder = tmp_path_factory.mktemp("runs") / "run", Recorder()
    result = run_tiny(small_grid(), steps=STEPS + 100, seed=3, out=out, callbacks=[recorder])
    return result, RunFolder(out), recorder


def test_callbacks_hear_of_every_update_and_are_closed(finished):
    _, _, recorder = finished
    assert [report.update for report in recorder.reports] == [1, 2, 3]
    assert [report.transitions for report in recorder.reports] == [256, 512, 768]
    assert {report.num_updates for report in recorder.reports} == {UPDATES}
    seconds = [report.seconds for report in recorder.reports]
    assert seconds == sorted(seconds)
    assert [report.rate > 0 for report in recorder.reports] == [False, True, True]
    assert recorder.closed


def test_metrics_are_plain_finite_numbers_by_policy(finished):
    _, folder, recorder = finished
    for report, record in zip(recorder.reports, folder.read_metrics(), strict=True):
        assert record == {
            "run": folder.short_name(),
            "update": report.update,
            "transitions": report.transitions,
            "seconds": round(report.seconds, 3),
            **report.metrics,
        }
        for name in ("users", "episodes", "entropy", "approx_kl", "clip_fraction", "critic_loss"):
            assert len(record[name]) == 2
            assert all(map(math.isfinite, record[name]))
        assert 0.0 <= record["welfare"] <= 99.0


def test_run_folder_holds_everything_and_names_versions(finished):
    result, folder, _ = finished
    names = {entry.name for entry in folder.path.iterdir()}
    assert names == {
        "config.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "policies.safetensors",
        "evaluation.json",
        "assignment.csv",
        "returns.csv",
        "traces.json",
        "users.safetensors",
    }
    config = folder.read_config()
    assert config["settings"]["seed"] == 3
    assert config["problem"]["parameters"] == {"height": 2, "width": 2}
    assert {"handful", "jax", "numpy"} <= set(config["versions"])
    assert result.folder == folder.path
    assert folder.is_finished


def test_tables_of_the_folder_are_those_of_the_result(finished):
    result, folder, _ = finished
    record = folder.read_evaluation()
    assert record["welfare"] == result.evaluation.welfare
    assert record["assignment"] == result.assignment.tolist()
    assert record["transitions"] == 768
    optimum = handful.optimum(small_grid(), 2)
    assert (record["optimum"], record["optimum_kind"]) == (optimum.welfare, "exact")
    assert record["percent_of_optimum"] == pytest.approx(100 * record["welfare"] / optimum.welfare)
    with folder.assignment.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["user"] for row in rows] == list(result.problem.population.user_ids)
    assert [int(row["policy"]) for row in rows] == result.assignment.tolist()
    with folder.returns.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 4
    first = result.evaluation.deterministic.returns.ravel()
    np.testing.assert_allclose([float(row["return"]) for row in rows[:8]], first)
    traces = json.loads(folder.traces.read_text())
    assert [len(trace["position"]) for trace in traces] == [trace["length"] for trace in traces]


def test_result_can_act_and_its_assignment_is_the_likeliest(finished):
    result, _, _ = finished
    np.testing.assert_array_equal(result.assignment, result.alpha.argmax(axis=1))
    assert result.alpha.shape == (4, 2)
    _, observation = result.problem.environment.reset(jax.random.key(0))
    assert int(result.policies.act(observation, policy=1)) in range(4)


def test_finished_run_is_read_and_not_trained_further(finished):
    result, folder, _ = finished
    before = {entry.name: entry.read_bytes() for entry in folder.path.iterdir()}
    recorder = Recorder()
    again = handful.resume(folder.path, callbacks=[recorder])
    assert recorder.reports == []
    assert again.evaluation.welfare == result.evaluation.welfare
    assert_identical(again.policies, result.policies)
    assert {entry.name: entry.read_bytes() for entry in folder.path.iterdir()} == before


def test_same_seed_gives_the_same_policies_bit_for_bit_and_another_one_does_not(finished):
    result, _, _ = finished
    again = run_tiny(small_grid(), seed=3)
    assert_identical(again.policies, result.policies)
    np.testing.assert_array_equal(again.alpha, result.alpha)
    other = arrays_of(run_tiny(small_grid(), seed=4).policies)
    same = [np.array_equal(v, other[name]) for name, v in arrays_of(result.policies).items()]
    assert not all(same)


def kept_run(problem, folder, **run_settings):
    """A run's result, and its state after the last update."""
    result = run_tiny(problem, "random", out=folder, run_settings=run_settings)
    return result, load_run_state(*open_run(folder, problem))


def test_settings_of_the_run_are_kept_and_used(tmp_path):
    """A batch's 256 episodes earn 1 or 0 each: its mean is whole 256ths, a moving average not."""
    problem = problem_of(ContextualBandit())
    settings = {"return_mixing": 1.0, "keep_best": False, "final_assignment": "method"}
    result, state = kept_run(problem, tmp_path / "changed", **settings)
    assert (result.config.return_mixing, result.config.keep_best) == (1.0, False)
    np.testing.assert_array_equal(state.table.mean * 256 % 1, 0.0)
    assert state.validated == 0
    assert_identical(result.policies, state.policies(problem))
    _, state = kept_run(problem, tmp_path / "defaults")
    assert np.any(state.table.mean * 256 % 1)
    assert state.validated > 0


def test_a_discounted_table_is_kept_where_the_run_asks_for_it(tmp_path):
    """Three steps that pay (1, 2) each."""
    problem = problem_of(Countdown(3, truncates=True), discount=0.5)
    _, state = kept_run(problem, tmp_path / "run", discounted_table=True)
    np.testing.assert_allclose(state.table.mean, [[1.75, 3.5]] * 2, rtol=1e-6)
    np.testing.assert_allclose(state.table.plain, [[3.0, 6.0]] * 2, rtol=1e-6)


def test_settings_that_a_run_does_not_have_are_refused():
    with pytest.raises(HandfulError, match=r"no setting 'mixing'"):
        run_tiny(small_grid(), run_settings={"mixing": 1.0})


def test_the_learners_discount_comes_before_the_problems(monkeypatch):
    """Also where policies are chosen at the end: counts are kept in the learner's scale."""
    problem = small_grid()
    settings = {**TINY, "discount": 0.8}
    judged_with, finish = [], loop.finish
    monkeypatch.setattr(
        loop, "finish", lambda r, *a: judged_with.append(r.learnt.discount) or finish(r, *a)
    )
    by_setting = handful.train(problem, 2, "em", steps=STEPS, settings=settings)
    assert by_setting.problem is problem
    assert judged_with == [0.8]
    assert_identical(by_setting.policies, run_tiny(problem.with_discount(0.8)).policies)
    undiscounted = arrays_of(run_tiny(problem).policies)
    same = [np.array_equal(v, undiscounted[n]) for n, v in arrays_of(by_setting.policies).items()]
    assert not all(same)


@pytest.mark.parametrize("num_policies", [1, 4], ids=["k=1", "k=n"])
@pytest.mark.parametrize("method", ["em", "end-to-end", "cluster"])
def test_methods_train_with_one_policy_and_with_one_a_user(method, num_policies):
    """`random` and `fixed` run the program that `cluster` runs."""
    if method == "cluster":
        pytest.importorskip("sklearn")
    problem = problem_of(ContextualBandit(), np.array([[1, 0], [0, 1], [1, 1], [0.5, 2]]))
    steps = 2 * TINY["batch_size"]
    result = run_tiny(problem, method, num_policies, steps)
    assert np.isfinite(result.evaluation.welfare)
    assert result.folder is None
    assert set(result.assignment.tolist()) <= set(range(num_policies))


class NoNumber(Callback):
    """Never called: bad requests are refused before the first update."""

    def on_update(self, report):
        raise AssertionError("training has begun")


THREE_FOR_TWO = RMDP(ContextualBandit(), Population.from_function(lambda outcome: jnp.zeros(3), 2))


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"num_policies": 0}, "must be between 1 and .*, not 0"),
        ({"num_policies": -1}, "must be between 1 and .*, not -1"),
        ({"num_policies": 5}, "between 1 and the number of users"),
        ({"run_settings": {"return_mixing": float("nan")}}, "return_mixing must be finite"),
        ({"method": "magic"}, "no assignment method named 'magic'"),
        ({"method": "fixed"}, "needs an assignment"),
        ({"method": "fixed", "method_settings": {"policy": (0, 1)}}, "policies for 2 users"),
        ({"method_settings": {"warmth": 1}}, "no setting 'warmth'"),
        ({"steps": -1}, "at least one batch"),
        ({"seed": -1}, "seed must be between"),
        ({"preset": "quick"}, "no preset named 'quick'"),
        ({"settings": {"num_envs": 7}}, "multiple of num_envs"),
        ({"problem": THREE_FOR_TWO}, r"gives shape \[3\]"),
    ],
)
def test_bad_request_is_refused_in_one_sentence_and_leaves_nothing_behind(
    tmp_path, request_, sentence
):
    request = {"problem": small_grid(), "num_policies": 2, "steps": STEPS, "settings": TINY}
    with pytest.raises(HandfulError, match=sentence) as caught:
        handful.train(**{**request, **request_}, out=tmp_path / "run", callbacks=[NoNumber()])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ({"num_policies": "2"}, "num_policies must be a whole number, not '2'"),
        ({"num_policies": None}, "num_policies must be a whole number, not None"),
        ({"threads": "2"}, "threads must be a whole number, not '2'"),
        ({"method": 3}, "method must be text, not 3"),
    ],
)
def test_argument_of_another_type_is_refused_in_one_sentence(argument, sentence):
    with pytest.raises(HandfulError, match=rf"^{sentence}\.$"):
        handful.train(**{"problem": small_grid(), "num_policies": 2, **argument})


def test_folder_that_exists_is_left_alone(finished):
    _, folder, _ = finished
    before = {entry.name: entry.read_bytes() for entry in folder.path.iterdir()}
    with pytest.raises(HandfulError, match="exists already"):
        run_tiny(small_grid(), out=folder.path, callbacks=[NoNumber()])
    assert {entry.name: entry.read_bytes() for entry in folder.path.iterdir()} == before


def test_reward_that_is_no_number_is_named_with_its_user_and_leaves_no_folder(tmp_path):
    problem = problem_of(Fuse(9), np.eye(2), user_ids=("calm", "anxious"))
    with pytest.raises(HandfulError, match=r"feature 1 \(of user 'anxious'\).*in update 1:"):
        run_tiny(problem, "random", out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_reward_that_stops_being_a_number_ends_training_and_keeps_the_checkpoint(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("handful.training.updates.CHECKPOINT_EVERY", 0.0)
    problem = problem_of(Fuse(300), np.ones((3, 2)))  # 32 steps of each environment an update
    recorder, out = Recorder(), tmp_path / "run"
    sentence = r"Reward feature 1 was not .* in update 10: .* The last good checkpoint .* is kept"
    with pytest.raises(HandfulError, match=sentence):
        run_tiny(problem, "random", steps=20 * 256, out=out, callbacks=[recorder])
    assert [report.update for report in recorder.reports] == list(range(1, 10))
    assert recorder.closed
    assert not RunFolder(out).is_finished
    state = load_run_state(*open_run(out, problem))
    assert int(state.update) == 9
    assert all(np.isfinite(values).all() for values in arrays_of(state.learner).values())


class BrokenSensor(Weather):
    def draw(self, key):
        first, second = jax.random.normal(key, (2,))
        return jnp.stack([first, jnp.where(second > 1.0, jnp.nan, second)])

    def step(self, key, state, action):
        state, step = super().step(key, state, action)
        return state, step._replace(outcome=jnp.zeros(2))


def test_observation_that_is_no_number_is_found(tmp_path):
    with pytest.raises(HandfulError, match=r"loss was not a finite number in update 1: .*observa"):
        run_tiny(problem_of(BrokenSensor(), np.eye(2)), "random", out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_before_there_is_anything(tmp_path):
    """Also where a method intervenes before the first update: its failure must leave no folder."""
    kept = []

    class Look(Callback):
        def on_update(self, report):
            kept.append(RunFolder(tmp_path / "run").checkpoint.exists())

    problem = handful.make("glide", users=4)
    run_tiny(problem, "family-em", steps=512, out=tmp_path / "run", callbacks=[Look()])
    assert kept == [False, False]
