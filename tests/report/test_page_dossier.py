"""The page: whole, self-contained, accessible, and right for every kind of run."""

import json
import shutil
from html.parser import HTMLParser

import pytest

from handful.errors import HandfulError
from handful.report.page import write_report
from tests.report.folders import write_grid_run, write_run
from tests.report.robot_folders import write_robot_run
from tests.sealing import seal

VOID = {"img", "meta", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks nesting as it reads, and keeps the tags and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def report(folder) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def grid_folder(tmp_path_factory):
    return write_grid_run(tmp_path_factory.mktemp("runs") / "grid")


@pytest.fixture(scope="module")
def grid_page(grid_folder):
    return report(grid_folder)


def test_plots_are_files_too(grid_folder, grid_page):
    written = {path.name for path in (grid_folder / "plots").iterdir()}
    names = {"walks", "served", "returns", "utilities", "lorenz", "learning_curve", "policies"}
    assert written == {f"{name}.svg" for name in names} | {"walks.png"}
    assert len(grid_page.all("img")) == len(names)


def test_page_is_self_contained(grid_page):
    for tag, attributes in grid_page.tags:
        assert tag not in {"script", "link", "iframe"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "action"):
            target = attributes.get(name, "")
            assert target.startswith("data:image/svg+xml;base64,") or not target


def test_page_is_accessible(grid_page):
    (html,) = grid_page.all("html")
    assert html["lang"] == "en"
    assert any(meta.get("name") == "viewport" for meta in grid_page.all("meta"))
    for image in grid_page.all("img"):
        assert len(image["alt"]) > 20
    for header in grid_page.all("th"):
        assert header["scope"] in {"row", "col"}
    for attributes in (a for _, a in grid_page.tags if a.get("role") == "region"):
        assert attributes["aria-label"]
    identifiers = [a["id"] for _, a in grid_page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    for section in grid_page.all("section"):
        assert section["aria-labelledby"] in identifiers
    assert len(grid_page.all("h1")) == 1


def test_headline_and_optimum(grid_page):
    # Returns 80 to 86 and 80 again for eight users: 661 / 8 = 82.625, and 91.8% of 90.
    for phrase in ("82.62", "± 0.12", "90.00", "91.8%", "is exact", "seed 7", "100 fresh episodes"):
        assert phrase in grid_page.text, phrase


def test_command_repeats_every_setting(grid_page):
    lines = [
        "handful train resource-gathering",
        "--policies 3",
        "--method em",
        "--method.warm-up 2",
        "--learner ppo",
        "--ppo.learning-rate 0.0003",
        "--ppo.hidden-sizes 64 64",
        "--ppo.share-hidden",
        "--collect.num-envs 32",
        "--run.return-mixing 0.05",
        "--steps 10000",
        "--seed 7",
        "--out grid-again",
    ]
    assert " \\\n  ".join(lines) in grid_page.text


def test_the_same_run_gives_the_same_bytes(grid_folder, tmp_path):
    copy = tmp_path / grid_folder.name
    shutil.copytree(grid_folder, copy, ignore=shutil.ignore_patterns("plots", "report.html"))
    written = [write_report(grid_folder), write_report(copy)]
    assert written[0].read_bytes() == written[1].read_bytes()
    for plot in (grid_folder / "plots").iterdir():
        assert plot.read_bytes() == (copy / "plots" / plot.name).read_bytes(), plot.name


@pytest.mark.parametrize("num_policies", [1, 8])
def test_one_policy_and_one_for_each(tmp_path, num_policies):
    page = report(write_grid_run(tmp_path / "run", num_policies))
    assert len(page.all("img")) == 7
    noun = "policy" if num_policies == 1 else "policies"
    assert f"{num_policies} {noun} for 8 users" in page.text


def test_25_policies_that_serve_one_user_each(tmp_path):
    users = [f"user {i}" for i in range(25)]
    page = report(write_run(tmp_path / "run", users=users, num_policies=25))
    assert "25 policies for 25 users" in page.text


def test_users_names_are_only_text(tmp_path):
    names = ["<script>alert(1)</script>", '"><img src=x>', "$\\bad{$", "名前", "x" * 200]
    page = report(write_run(tmp_path / "run", users=names, num_policies=2))
    assert not page.all("script")
    assert len(page.all("img")) == 5
    for name in names:
        assert name in page.text


def test_custom_problem_without_positions(tmp_path):
    traces = [{"length": 2, "outcome": [[0.5], [1.0]]}] * 2
    folder = write_run(tmp_path / "run", users=["a", "b", "c"], num_policies=2, traces=traces)
    page = report(folder)
    assert not (folder / "plots" / "walks.svg").exists()
    assert not (folder / "plots" / "served.svg").exists()
    assert "handful.train" in page.text
    assert "handful train" not in page.text


def test_unknown_optimum(tmp_path):
    nothing = {"optimum": None, "optimum_kind": None, "percent_of_optimum": None}
    page = report(write_run(tmp_path / "run", users=["a", "b"], num_policies=1, **nothing))
    assert "Neither the best possible welfare nor a bound on it is known" in page.text


def test_upper_bound_is_not_called_the_optimum(tmp_path):
    folder = write_run(
        tmp_path / "run", users=["a", "b"], num_policies=1, optimum_kind="upper bound"
    )
    page = report(folder)
    assert "no 1 policy can exceed" in page.text
    assert "is exact" not in page.text


def test_soft_and_reassigned_welfare_are_shown_where_they_differ(tmp_path, grid_page):
    assert "soft assignment" not in grid_page.text
    assert "best reassignment" not in grid_page.text
    folder = write_grid_run(tmp_path / "run")
    record = json.loads((folder / "evaluation.json").read_text())
    record["deterministic"] |= {"soft_welfare": 71.5, "reassigned_welfare": 82.5}
    seal(folder, record)
    page = report(folder)
    for phrase in ("soft assignment", "71.50", "best reassignment", "82.50 ± 0.25"):
        assert phrase in page.text


def test_users_who_want_velocities(tmp_path):
    folder = write_robot_run(tmp_path / "run", num_policies=3, num_users=20, fall=400)
    page = report(folder)
    names = {"targets", "returns_by_target", "velocities", "returns", "utilities"}
    names |= {"learning_curve", "policies", "lorenz"}
    assert {path.name for path in (folder / "plots").iterdir()} == {f"{n}.svg" for n in names}
    phrases = [
        "from 0 to 4.00 m/s",
        "no 3 policies can exceed it",
        "choice of constant velocities (triangles) that gives the upper bound",
        "running mean over one second",
        "their targets, m/s",
    ]
    text = " ".join(page.text.split())
    for phrase in phrases:
        assert phrase in text, phrase
    assert "is exact" not in text


def test_users_who_want_velocities_without_a_bound(tmp_path):
    page = report(write_robot_run(tmp_path / "run", num_policies=1, num_users=10, bound=None))
    assert "triangles" not in page.text
    assert len(page.all("img")) == 8


def test_50_policies_of_a_robot_fit_on_a_page(tmp_path):
    folder = write_robot_run(tmp_path / "run", num_policies=50, num_users=1000, updates=976)
    page = report(folder)
    assert "50 policies for 1,000 users" in page.text
    assert (folder / "report.html").stat().st_size < 4_000_000


def test_grid_runs_say_nothing_of_velocities(grid_page):
    assert "velocit" not in grid_page.text
    assert "m/s" not in grid_page.text


def test_unfinished_run(tmp_path):
    page = report(write_grid_run(tmp_path / "run", finished=False))
    assert "This run is not finished" in page.text
    assert "8,192 of 10,000 transitions per policy are done." in page.text
    assert "handful resume run" in page.text
    assert len(page.all("img")) == 2


def test_run_before_its_first_update(tmp_path):
    page = report(write_grid_run(tmp_path / "run", finished=False, updates=0))
    assert "No update of the 10,000 transitions per policy has been made yet." in page.text
    assert not page.all("img")


def test_large_population_is_cut_short(tmp_path):
    users = [f"u{i:05d}" for i in range(5000)]
    page = report(write_run(tmp_path / "run", users=users, num_policies=3))
    assert "The 1,000 worst served of 5,000 users" in page.text
    assert (tmp_path / "run" / "report.html").stat().st_size < 1_500_000


def test_missing_folder(tmp_path):
    with pytest.raises(HandfulError, match="no run folder"):
        write_report(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("config.json", lambda config: config["settings"].pop("seed")),
        ("config.json", lambda config: config["problem"].update(users=[])),
        ("evaluation.json", lambda record: record.pop("deterministic")),
        ("evaluation.json", lambda record: record["assignment"].pop()),
        ("evaluation.json", lambda record: record.update(assignment=[9] * 8)),
        ("evaluation.json", lambda record: record["deterministic"].update(returns=[[1.0]])),
    ],
)
def test_damaged_file_is_named(tmp_path, file, damage):
    folder = write_grid_run(tmp_path / "run")
    content = json.loads((folder / file).read_text())
    damage(content)
    (folder / file).write_text(json.dumps(content))
    seal(folder)
    with pytest.raises(HandfulError, match=f"{file}' is damaged"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_damaged_metrics(tmp_path):
    folder = write_grid_run(tmp_path / "run")
    (folder / "metrics.jsonl").write_text('{"update": 1, "transitions": 2048}\n')
    seal(folder)
    with pytest.raises(HandfulError, match=r"metrics.jsonl' is damaged"):
        write_report(folder)


def test_a_learner_that_says_no_entropy_has_a_page_with_the_users_alone(tmp_path):
    """Learners of one's own log what they like; without the entropy its chart is left out."""
    path = write_run(tmp_path / "run", users=["ann", "ben"], num_policies=2, finished=False)
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    kept = [{name: v for name, v in line.items() if name != "entropy"} for line in lines]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    page = write_report(path).read_text(encoding="utf-8")
    assert "Users of each policy during training" in page
    assert "ntropy" not in page
