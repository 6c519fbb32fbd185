"""The examples in the documentation run as they stand, and the reference is complete."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

import handful
from handful.catalogue import _TASKS
from handful.report.page import write_report
from handful.welfare import WELFARES

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.usefixtures("allow_rank_promotion")
def test_the_environment_in_jax_trains_policies_apart():
    text = (DOCS / "jax-environments.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {"__name__": "example"}
    exec(compile(example, "jax-environments.md", "exec"), names)
    result = names["result"]
    # The cold two share a policy, and so do the warm two.
    first = result.assignment[0]
    assert list(result.assignment) == [first, first, 1 - first, 1 - first]
    # 24 steps at the target would earn 24; any one temperature for all of them less than 11.
    assert 13.0 < result.evaluation.welfare < 24.0


@pytest.mark.usefixtures("allow_rank_promotion")
def test_methods_of_ones_own_train_by_object_and_by_name_and_are_described_in_reports(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "own-method.md").read_text()
    names = {"__name__": "example"}
    results = []
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(example, "own-method.md", "exec"), names)
        results.append(names["result"])
    by_object, by_name, second = results
    assert by_object.config.method == "example:Hesitant"
    assert by_object.config.make_method() == names["Hesitant"](margin=1.0)
    assert (by_name.config.method, by_name.config.make_method()) == (
        "hesitant",
        names["Hesitant"](),
    )
    # Two tours of two tiles each earn 97 and 96 at best; what nobody visits earns nothing.
    assert by_object.evaluation.welfare > 50.0
    assert second.evaluation.welfare > 50.0
    assert second.config.make_method().schedule(100, 2).interventions == (40,)
    page = write_report(second.folder).read_text(encoding="utf-8")
    assert "(a first set of policies finds the groups of users, and" in page


@pytest.mark.usefixtures("allow_rank_promotion")
def test_a_welfare_of_ones_own_trains_and_measures(monkeypatch, capsys):
    monkeypatch.setattr("handful.welfare.WELFARES", dict(WELFARES))
    text = (DOCS / "own-welfare.md").read_text()
    names, results = {"__name__": "example"}, []
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(example, "own-welfare.md", "exec"), names)
        results.append(names["result"])
    by_place, _, by_name = results
    assert by_place.config.welfare == "example:nash"
    assert by_name.evaluation.welfare_function == "nash"
    utilities = by_place.evaluation.deterministic.utilities
    assert by_place.evaluation.welfare == pytest.approx(np.log1p(utilities).mean(), rel=1e-5)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _, _ in rows] == [
        "example:nash",
        "example:power_mean",
        "example:soft_minimum",
        "utilitarian",
    ]
    assert len({mean for _, _, mean in rows}) == 1
    assert rows[-1][1] == rows[-1][2]


def test_learners_of_ones_own_train_by_object_and_by_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "own-learner.md").read_text()
    names, called = {"__name__": "example"}, []
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    for example, result in zip(examples, ("result", "named"), strict=True):
        exec(compile(example, "own-learner.md", "exec"), names)
        called.append(names[result].config.to_dict()["learner"]["name"])
    assert called == ["example:ActorCritic", "actor-critic"]
    by_object = names["result"]
    assert by_object.config.learner == names["ActorCritic"]()
    # The library's own learner reaches 96.5, and policies that have learnt nothing earn 30.
    assert by_object.evaluation.welfare > 90.0


@pytest.mark.usefixtures("allow_rank_promotion")
def test_the_step_alone_trains_as_the_loop_does():
    text = (DOCS / "pure-step.md").read_text()
    names = {"__name__": "example"}
    first, second = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(first, "pure-step.md", "exec"), names)
    problem = names["problem"]
    as_it_ends = {"keep_best": False, "final_assignment": "method"}
    result = handful.train(
        problem,
        2,
        "em",
        steps=40_960,
        seed=100,
        preset="fast",
        run_settings=as_it_ends,
        progress=False,
    )
    alone, looped = (jax.tree.leaves(p.actor) for p in (names["policies"], result.policies))
    for one, other in zip(alone, looped, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    exec(compile(second, "pure-step.md", "exec"), names)
    assert names["metrics"].welfare.shape == (4,)
    assert len(set(np.asarray(names["metrics"].welfare).tolist())) == 4  # a seed each


@pytest.mark.usefixtures("allow_rank_promotion")
def test_a_logger_of_ones_own_gets_every_update_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "loggers.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {"__name__": "example"}
    exec(compile(example, "loggers.md", "exec"), names)
    rows = [line.split(",") for line in Path("curve.csv").read_text().splitlines()]
    assert [int(transitions) for transitions, _ in rows] == [2048, 4096, 6144, 8192]
    welfare = names["result"].evaluation.welfare
    assert capsys.readouterr().out == f"welfare on fresh episodes: {welfare}\n"
    # Another run goes on from its second update.
    step = handful.Step(update=2, transitions=4096, seconds=1.0)
    names["curve"].open(handful.RunStart("run", "0" * 16, {}, None, step))
    names["curve"].close(None)
    assert len(Path("curve.csv").read_text().splitlines()) == 2


def run_networks_page(monkeypatch, tmp_path, change=lambda example: example):
    """What the page on networks defines, with its examples changed."""
    monkeypatch.setattr("handful.learner.builders._BUILDERS", {})
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "own-network.md").read_text()
    names = {"__name__": "example"}
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(change(example), "own-network.md", "exec"), names)
    return names


@pytest.mark.usefixtures("allow_rank_promotion")
def test_networks_of_ones_own_are_trained_opened_and_used(monkeypatch, tmp_path):
    """The page as it stands but for its steps, of which it takes a few."""

    def shorter(example):
        return re.sub(r"steps=\d\d_\d+", "steps=2048", example)

    names = run_networks_page(monkeypatch, tmp_path, shorter)
    assert names["seen"].config.steps == names["remembered"].config.steps == 2048
    # Without memory every policy turns to the prize as often as away from it.
    assert names["forgotten"].evaluation.welfare == pytest.approx(0.5, abs=0.1)
    assert names["turn"] in (0, 1)
    assert names["opened"].evaluation.welfare == names["kept"].evaluation.welfare


@pytest.mark.slow
@pytest.mark.usefixtures("allow_rank_promotion")
def test_networks_of_ones_own_reach_the_known_welfare(monkeypatch, tmp_path):
    """A convolutional one on images, and a recurrent one where policies have to remember."""
    names = run_networks_page(monkeypatch, tmp_path)
    assert names["seen"].evaluation.welfare > 0.98
    assert names["remembered"].evaluation.welfare > 0.98
    # Without memory every policy turns to the prize as often as away from it.
    assert names["forgotten"].evaluation.welfare == pytest.approx(0.5, abs=0.1)
    # Policy 0 turns to the side of the cue, which was right, if it serves the first user.
    assert names["turn"] == int(names["remembered"].assignment[0] == 0)
    assert names["opened"].evaluation.welfare == names["kept"].evaluation.welfare


@pytest.mark.usefixtures("allow_rank_promotion")
def test_a_task_of_ones_own_brings_its_optimum_and_its_pictures(monkeypatch, tmp_path):
    monkeypatch.setattr("handful.catalogue._TASKS", dict(_TASKS))
    text = (DOCS / "own-task.md").read_text()
    task, pictures, use = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "dial.py").write_text(task)
    (tmp_path / "dial_pictures.py").write_text(pictures)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    exec(compile(use, "own-task.md", "exec"), names)
    # Two who want nearly the same stay 0.05 away from their mean, at a cost of 0.05 squared.
    assert names["best"].welfare == pytest.approx(1 - 0.05**2)
    assert names["best"].certificate == ((pytest.approx(-0.85),), (pytest.approx(0.75),))
    evaluation = names["result"].evaluation
    assert 0.8 < evaluation.welfare < names["best"].welfare
    first, second, third, fourth = names["result"].assignment
    assert first == second != third == fourth
    page = names["page"].read_text(encoding="utf-8")
    assert "A user of this run wants the dial at a place of their own." in page
    assert "Every user&#39;s return, in the colour of the policy that serves them." in page
    assert '<th scope="col">wanted</th>' in page
    assert "upper bound" in page.lower()
    assert (tmp_path / "runs/dial/plots/by_place.svg").is_file()


def test_the_reference_has_every_public_name_once():
    pages = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    named = re.findall(r"^::: handful\.(\w+)$", pages, flags=re.MULTILINE)
    assert sorted(named) == sorted(handful.__all__)


def test_the_overview_of_the_reference_names_everything():
    overview = (DOCS / "reference" / "index.md").read_text()
    missing = [name for name in handful.__all__ if f"[handful.{name}]" not in overview]
    assert missing == []


def test_every_place_that_the_design_names_is_there():
    text = (DOCS / "design.md").read_text()
    questions = text[text.index("| where is | in |") : text.index("## What can be put in")]
    places = re.findall(r"`([\w/.-]+\.(?:py|md))`", questions)
    assert len(places) == 10
    assert [place for place in places if not (DOCS.parent / place).is_file()] == []
    modules = text[text.index("| folder or module |") : text.index("Lower rows may import")]
    named = re.findall(r"`(\w+)/?`", modules.replace("`RMDP`", ""))
    root = DOCS.parent / "src" / "handful"
    there = {path.stem for path in root.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert sorted(named) == sorted(there - {"__init__", "__main__", "__pycache__", "py"})
