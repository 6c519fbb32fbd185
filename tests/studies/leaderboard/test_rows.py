"""Our rows of the leaderboard, from results folders made by hand."""

import pytest

from handful.results.tables import read_studies
from studies.leaderboard.rows import our_rows
from tests.report.study.results import run_row, small_manifest, small_study, write_results


def test_rows_are_means_over_seeds(tmp_path):
    small_study(tmp_path)
    rows = our_rows(read_studies(tmp_path))
    (row,) = (r for r in rows if (r.task, r.method, r.policies) == ("half-cheetah", "em", 5))
    assert row.welfare == pytest.approx(36)  # 35, 36 and 37
    assert row.welfare_stderr == pytest.approx(1 / 3**0.5)
    assert row.percent == pytest.approx(90)  # of 40
    assert row.seeds == (0, 1, 2)
    assert row.transitions == 1984
    assert row.version == "0.1.0"
    assert row.command == (
        "for seed in 0 1 2; do handful train half-cheetah --param.users 100 --policies 5 "
        "--method em --preset paper --steps 2000 --seed $seed "
        "--out runs/half-cheetah-em-k5-n100-2000-seed$seed; done"
    )


@pytest.mark.parametrize(("seeds", "is_in"), [((100, 101), False), ((99, 100), True)])
def test_runs_with_development_seeds_alone_are_in_no_row(tmp_path, seeds, is_in):
    rows = [run_row("glide", "em", 2, seed, 1.0) for seed in seeds]
    write_results(tmp_path / "a", rows, manifest=small_manifest(rows))
    found = [row.seeds for row in our_rows(read_studies(tmp_path))]
    assert found == ([seeds] if is_in else [])


def test_settings_are_in_the_command_and_the_presets_in_the_name(tmp_path):
    rows = [run_row("glide", "em", 2, 0, 1.0)]
    manifest = small_manifest(
        rows,
        preset="fast",
        settings={"hidden_sizes": [64, 64]},
        method_settings={"em": {"warm_up": 3}},
    )
    write_results(tmp_path / "a", rows, manifest=manifest)
    (row,) = our_rows(read_studies(tmp_path))
    assert row.method == "em, fast, hidden_sizes=[64, 64], warm_up=3"
    assert "--method.warm-up 3 --preset fast --ppo.hidden-sizes 64 64" in row.command
    assert row.welfare_stderr is None


def test_a_group_with_another_preset_has_it_in_its_name_and_command(tmp_path):
    rows = [run_row("glide", method, 2, 0, 1.0) for method in ("em", "auto")]
    manifest = small_manifest(rows)
    manifest["runs"][1]["preset"] = "fast"
    write_results(tmp_path / "a", rows, manifest=manifest)
    found = {row.method: row.command for row in our_rows(read_studies(tmp_path))}
    assert set(found) == {"em", "auto, fast"}
    assert "--method auto --preset fast" in found["auto, fast"]
    assert "--method em --preset paper" in found["em"]


def test_runs_with_other_settings_are_in_a_row_of_their_own(tmp_path):
    """Though they are seeds of one method, of one study and for as many users."""
    rows = [run_row("glide", "em", 2, seed, 10.0 + seed) for seed in range(6)]
    manifest = small_manifest(rows, settings={"num_epochs": 2}, parameters={"glide": {"side": 2}})
    manifest["runs"][3] |= {"settings": {"num_epochs": 1, "learning_rate": 1e-9}}
    manifest["runs"][4] |= {"preset": "fast"}
    manifest["runs"][5] |= {"parameters": {"glide": {"side": 3}}}
    write_results(tmp_path / "a", rows, manifest=manifest)
    found = {row.method: row for row in our_rows(read_studies(tmp_path))}
    assert {name: row.seeds for name, row in found.items()} == {
        "em, num_epochs=2": (0, 1, 2),
        "em, num_epochs=1, learning_rate=1e-09": (3,),
        "em, fast, num_epochs=2": (4,),
        "em, num_epochs=2, side=3": (5,),
    }
    assert found["em, num_epochs=2"].welfare == 11
    assert "--ppo.num-epochs 1 --ppo.learning-rate 1e-09" in (
        found["em, num_epochs=1, learning_rate=1e-09"].command
    )
    assert "--param.side 3" in found["em, num_epochs=2, side=3"].command
    assert len({row.command.split("--out ")[1] for row in found.values()}) == 4


def test_a_group_with_other_parameters_has_them_in_its_command(tmp_path):
    rows = [run_row("glide", "em", k, 0, 1.0) for k in (2, 50)]
    manifest = small_manifest(rows, parameters={"glide": {"users": 100}})
    manifest["runs"][1]["parameters"] = {"glide": {"users": 1000}}
    write_results(tmp_path / "a", rows, manifest=manifest)
    found = {row.policies: row.command for row in our_rows(read_studies(tmp_path))}
    assert "--param.users 100 --policies 2" in found[2]
    assert "--param.users 1000 --policies 50" in found[50]


def test_no_two_rows_keep_their_runs_in_the_same_folders(tmp_path):
    rows = [run_row("glide", method, 2, 0, 1.0) for method in ("em", "auto")]
    for study, preset in (("a", "paper"), ("b", "fast")):
        write_results(tmp_path / study, rows, manifest=small_manifest(rows, preset=preset))
    folders = [row.command.split("--out ")[1] for row in our_rows(read_studies(tmp_path))]
    assert len(set(folders)) == 4


def test_runs_that_the_manifest_does_not_know_yet_have_no_row(tmp_path):
    """A killed sweep has written its table, not yet its manifest."""
    rows = [run_row("glide", "em", k, 0, 1.0) for k in (2, 3)]
    rows += [run_row("glide", "em", 2, 1, 5.0)]
    write_results(tmp_path / "a", rows, manifest=small_manifest(rows[:1]))
    (row,) = our_rows(read_studies(tmp_path))
    assert (row.policies, row.seeds, row.welfare) == (2, (0,), 1.0)


def test_a_variants_command_has_its_settings_and_its_methods_own_name(tmp_path):
    rows = [run_row("glide", "em (slow-mixing)", 2, 0, 1.0)]
    manifest = small_manifest(rows)
    manifest["runs"][0] |= {
        "variant": "slow-mixing",
        "training": {"return_mixing": 0.01},
        "method_settings": {"em": {"warm_up": 0}},
    }
    write_results(tmp_path / "a", rows, manifest=manifest)
    (row,) = our_rows(read_studies(tmp_path))
    assert row.method == "em (slow-mixing)"
    assert row.command == (
        "for seed in 0; do handful train glide --policies 2 --method em --method.warm-up 0 "
        "--preset paper --run.return-mixing 0.01 --steps 2000 --seed $seed "
        "--out runs/glide-em-slow-mixing-k2-n100-2000-seed$seed; done"
    )


def test_a_study_that_kept_no_command_has_no_rows(tmp_path):
    write_results(tmp_path / "a", [run_row("glide", "em", 2, 0, 1.0)])
    assert len(our_rows(read_studies(tmp_path))) == 0
