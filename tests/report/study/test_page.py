"""The page of a study: its words, and how it does in a real browser."""

import pytest

from handful.cli.main import main
from handful.report.study.page import absent_runs, settings_table, write_study_report
from handful.results.tables import read_study_results
from tests.browser import Browser
from tests.report.study.results import run_row, small_manifest, small_study, write_results
from tests.report.test_page_dossier import Page

SIZES = {"desktop": (1280, 900, False), "phone": (390, 844, True)}

FAULTS = """(() => {
  const found = [];
  for (const image of document.images) {
    if (!image.complete || image.naturalWidth === 0) found.push('broken image: ' + image.alt);
    if (image.alt.length < 20) found.push('image without words');
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push('scrolls sideways');
  let level = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) found.push('skips a level: ' + heading.textContent);
    level = next;
  }
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour !== 'rgba(0, 0, 0, 0)' || !element.parentElement ? colour
      : ground(element.parentElement);
  };
  for (const element of document.querySelectorAll('body *')) {
    const style = getComputedStyle(element);
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const pair = [luminance(style.color), luminance(ground(element))].sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) found.push('faint: ' + element.textContent);
    if (parseFloat(style.fontSize) < 12) found.push('small: ' + element.textContent);
  }
  return found;
})()"""
"""What is wrong with a page as it is shown, in the words of the W3C's rules for accessibility."""


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_study_report(small_study(tmp_path_factory.mktemp("results")))


@pytest.mark.parametrize("size", list(SIZES))
def test_in_a_browser(browser, page, size):
    width, height, is_phone = SIZES[size]
    browser.open(page, width, height, is_phone=is_phone)
    assert browser.complaints() == []
    assert browser.evaluate(FAULTS) == []
    assert browser.evaluate("document.images.length") == 7
    assert browser.evaluate("innerWidth") == width


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (("data:image/svg+xml;base64,", "data:image/svg+xml;base64,AAAA"), "broken image"),
        (("<main>", '<main><div style="width: 3000px">wide</div>'), "scrolls sideways"),
        (("<main>", '<main><p style="color: #bbb">grey</p>'), "faint: grey"),
        (("<h2", "<h4>deep</h4><h2"), "skips a level: deep"),
    ],
)
def test_faults_are_seen(browser, page, tmp_path, damage, fault):
    damaged = tmp_path / "page.html"
    damaged.write_text(page.read_text().replace(*damage))
    browser.open(damaged, *SIZES["phone"][:2], is_phone=True)
    assert any(fault in found for found in browser.evaluate(FAULTS))


def test_errors_and_requests_are_seen(browser, page, tmp_path):
    damaged = tmp_path / "page.html"
    script = "<script>missing();</script><img src='gone.png' alt='x'></main>"
    damaged.write_text(page.read_text().replace("</main>", script))
    browser.open(damaged, 800, 600)
    complaints = " ".join(browser.complaints())
    assert "missing is not defined" in complaints
    assert "ERR_FILE_NOT_FOUND" in complaints


def test_the_screen_reader_finds_names_and_landmarks(browser, page):
    browser.open(page, 1280, 900)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if not node["ignored"]
    ]
    roles = {role for role, _ in named}
    assert {"main", "navigation", "region", "table", "columnheader", "rowheader"} <= roles
    for role, name in named:
        if role in ("image", "region", "navigation", "table", "link", "heading"):
            assert name, f"a {role} without a name"


def test_the_page_is_well_formed_and_by_itself(page):
    read = Page(page.read_text())
    (html,) = read.all("html")
    assert html["lang"] == "en"
    assert len(read.all("h1")) == 1
    assert not read.all("script")
    assert not read.all("link")
    assert all(header["scope"] in ("row", "col") for header in read.all("th"))
    assert all(i["src"].startswith("data:image/svg+xml;base64,") for i in read.all("img"))


def test_what_the_page_says(page):
    text = " ".join(Page(page.read_text()).text.split())
    for phrase in (
        "14 runs: half-cheetah, resource-gathering; em, random; k = 1, 2, 5.",
        "36.00 ± 0.58",  # 35, 36 and 37
        "90.00 ± 1.44 of ≤ 40.00",
        "None failed, and none is missing.",
        "handful sweep small.yaml",
        "1.00 [1.00, 1.00]",
        "3.11.7",
    ):
        assert phrase in text, phrase


def test_missing_and_failed_runs_are_listed(tmp_path):
    rows = [run_row("t", "em", 2, 0, 1.0)]
    manifest = small_manifest(rows)
    done = manifest["runs"][0]
    failed = {**done, "state": "failed", "error": "it broke", "seed": 1}
    never = [{**done, "state": "not started", "seed": seed} for seed in (2, 3)]
    manifest["runs"] += [failed, *never]
    parquet = write_results(tmp_path / "a", rows, manifest=manifest)
    text = " ".join(Page(write_study_report(parquet).read_text()).text.split())
    assert "Of 4 runs asked for, 1 is finished." in text
    assert "it broke" in text
    assert absent_runs(manifest["runs"]).rows == [
        ["t", "em", "2", "failed", "it broke", "1"],
        ["t", "em", "2", "not started", "–", "2, 3"],
    ]


def test_settings_are_those_of_groups_and_variants_too(tmp_path):
    rows = [run_row("t", "em", k, seed, 1.0) for k in (2, 5) for seed in range(3)]
    rows.append(run_row("t", "em (slow)", 2, 0, 1.0))
    manifest = small_manifest(rows, training={"keep_best": True}, settings={"num_epochs": 5})
    for run in manifest["runs"][3:6]:
        run |= {"preset": "fast", "settings": {"num_epochs": 2}}
    slow = {"keep_best": True, "return_mixing": 0.01}
    manifest["runs"][6] |= {"variant": "slow", "training": slow}
    results = read_study_results(write_results(tmp_path / "a", rows, manifest=manifest))
    assert settings_table(results).rows == [
        ["transitions per policy", "2,000"],
        ["seeds", "0, 1, 2"],
        ["preset", "paper"],
        ["settings", '{"num_epochs": 5}'],
        ["training", '{"keep_best": true}'],
        ["parameters", '{"half-cheetah": {"users": 100}}'],
        ["t, em, k = 5, seeds 0 to 2", "fast, num_epochs=2"],
        ["t, em (slow), k = 2, seed 0", "return_mixing=0.01"],
    ]


def test_runs_with_other_settings_are_told_apart_by_what_was_asked_for_now(tmp_path):
    rows = [run_row("t", "em", 2, seed, 1.0) for seed in range(2)]
    parquet = write_results(tmp_path / "a", rows, manifest=small_manifest(rows[:1]))
    asked = small_manifest(rows)
    asked["runs"][1]["preset"] = "fast"
    page = write_study_report(parquet, asked)
    assert "2 runs: t; em, em, fast; k = 2." in " ".join(Page(page.read_text()).text.split())


def test_a_table_alone(tmp_path):
    row = run_row("<b>t</b>", "em", 2, 0, 1.0, percent_of_optimum=None, optimum=None)
    parquet = write_results(tmp_path / "a", [row])
    text = Page(write_study_report(parquet).read_text()).text
    assert "does not say which runs the study asked for" in text
    assert "<b>t</b>" in text


def test_the_command_takes_a_results_folder(tmp_path, capsys):
    parquet = small_study(tmp_path)
    main(["report", str(parquet.parent)])
    assert capsys.readouterr().out.strip() == str(parquet.with_suffix(".html"))


def test_a_folder_with_two_studies_is_refused(tmp_path, capsys):
    parquet = small_study(tmp_path)
    parquet.with_name("twin.parquet").write_bytes(parquet.read_bytes())
    with pytest.raises(SystemExit) as stop:
        main(["report", str(parquet.parent)])
    assert stop.value.code == 2
    assert "small.parquet, twin.parquet" in capsys.readouterr().err
