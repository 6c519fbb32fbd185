import numpy as np
import pytest

from studies import portfolios
from studies.command import run


def test_tables_of_the_authors_are_read_and_both_choices_measured(tmp_path, capsys):
    healthcare, disaster = tmp_path / "healthcare.csv", tmp_path / "disaster.csv"
    header = ",".join(f"Score for reward function {i}" for i in range(9))
    rows = np.random.default_rng(0).uniform(1.0, 2.0, (6, 9)).round(3)
    lines = [f"group {i},kind," + ",".join(map(str, row)) for i, row in enumerate(rows)]
    lines.insert(2, "left out,kind," + ",".join(["0.0"] * 9))
    healthcare.write_text("\n".join([f"Key,Category,{header}", *lines]) + "\n")
    np.testing.assert_array_equal(portfolios.read_healthcare(healthcare), rows.T)

    disaster.write_text(
        "a,b,c\n" + "\n".join(",".join(map(str, row)) for row in rows[:, :3]) + "\n"
    )
    np.testing.assert_array_equal(portfolios.read_disaster(disaster), rows[:, :3])

    out = tmp_path / "made" / "portfolios.csv"
    run(
        portfolios.Portfolios,
        ["--healthcare", str(healthcare), "--disaster", str(disaster), "--out", str(out)],
    )
    assert "as published" in capsys.readouterr().out
    made = [line.split(",") for line in out.read_text().splitlines()]
    assert made[0] == ["table", "policies", "exact", "is_proven", "measured", "published"]
    assert len(made) == 1 + 7 + 4
    assert all(float(line[2]) >= float(line[4]) - 1e-6 for line in made[1:])
    assert all(line[3] == "True" for line in made[1:])


def test_another_table_is_refused_in_one_sentence(tmp_path, capsys):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as left:
        run(portfolios.Portfolios, ["--healthcare", str(path), "--disaster", str(path)])
    assert left.value.code == 2
    assert "has no column 'Score for reward function 0'" in capsys.readouterr().err
