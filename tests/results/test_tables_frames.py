"""Tables on disk."""

import polars as pl
import pytest

from handful.errors import HandfulError
from handful.results.tables import read_parquet, write_parquet
from tests.users.damage import damaged_copies, sentences


def test_a_table_comes_back_also_from_a_folder_with_a_bracket_in_its_name(tmp_path):
    folder = tmp_path / "a[1]"
    folder.mkdir()
    table = pl.DataFrame({"x": [1, 2]})
    write_parquet(folder / "t.parquet", table)
    assert read_parquet(folder / "t.parquet").equals(table)


def test_a_full_disk_is_an_error_of_the_system_and_the_old_table_stays(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    write_parquet(path, pl.DataFrame({"x": [1]}))

    def full(*_, **__):
        raise pl.exceptions.ComputeError("No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_parquet(path, pl.DataFrame({"x": [2]}))
    monkeypatch.undo()
    assert read_parquet(path)["x"].to_list() == [1]


@pytest.mark.parametrize("seed", range(2))
def test_damaged_tables_are_one_sentence(tmp_path, capfd, seed):
    path = tmp_path / "t.parquet"
    write_parquet(
        path, pl.DataFrame({"digest": ["a", "b"], "welfare": [1.5, None], "seed": [1, 2]})
    )

    def read(copy):
        path.write_bytes(copy)
        read_parquet(path)

    said = sentences(read, damaged_copies(path.read_bytes(), 200, seed))
    assert len(said) > 100
    for sentence in said:
        assert sentence.startswith(f"'{path}' is not a Parquet file that can be read (")
        assert "\n" not in sentence
    assert capfd.readouterr().err == ""


def test_what_is_no_table_at_all(tmp_path):
    (tmp_path / "t.parquet").write_text("a,b\n")
    with pytest.raises(HandfulError, match="does not begin and end as a Parquet file does"):
        read_parquet(tmp_path / "t.parquet")
    with pytest.raises(HandfulError, match="No such file"):
        read_parquet(tmp_path / "none.parquet")
