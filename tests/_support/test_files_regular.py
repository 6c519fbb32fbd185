"""Which files are read at all."""

import os
from pathlib import Path

import pytest

from handful._support import files as regular
from handful._support.files import read_whole
from handful.errors import HandfulError
from handful.users import read_arrays, read_table


def test_a_file_is_read_whole_also_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to("a")
    assert read_whole(tmp_path / "b", "It") == b"abc"


@pytest.mark.parametrize("read", [read_table, lambda path: read_arrays(path, "It")])
def test_pipes_and_devices_are_never_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(HandfulError, match="it is a pipe or a device"):
            read(path)


@pytest.mark.parametrize("name", ["none", ".", "a\0b"])
def test_what_is_no_file_is_one_sentence(tmp_path, name):
    with pytest.raises(HandfulError, match=r"^It cannot be read \("):
        read_whole(tmp_path / name, "It")


def test_a_file_that_memory_does_not_hold_is_not_opened(tmp_path, monkeypatch):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(3 * 2**20)
    monkeypatch.setattr(regular, "MAX_BYTES", 2**20)
    with pytest.raises(HandfulError, match="It holds 3 MiB, and at most 1 MiB are read"):
        read_whole(tmp_path / "a", "It")
