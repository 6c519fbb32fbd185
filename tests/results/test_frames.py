"""Tables on disk."""

import polars as pl
import pytest

from handful.results.frames import read_parquet, write_parquet


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
