"""Locks, as two openings of one file see them."""

import errno

import pytest

from handful._support import files as locks
from handful._support.files import lock_file


def test_one_at_a_time_and_whoever_closes_the_file_frees_it(tmp_path):
    path = tmp_path / "file"
    with path.open("w") as first, path.open() as second:
        assert lock_file(first.fileno())
        assert not lock_file(second.fileno())
        first.close()
        assert lock_file(second.fileno())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_gives_one_to_everybody(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with (tmp_path / "file").open("w") as file:
        assert lock_file(file.fileno())
