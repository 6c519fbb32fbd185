"""Arrays from ``.npz`` files: sound, damaged, and much larger than they look."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.users import arrays, read_arrays
from tests.users.damage import damaged_copies, sentences

ARRAYS = {
    "a": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "names": np.array(["x", "yé"]),
    "big_endian": np.arange(3, dtype=">f8"),
    "single": np.array(3),
    "empty": np.empty((0, 2)),
    "bytes": np.array([b"x"]),
    "is": np.array([True, False]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    read = read_arrays(tmp_path / "a.npz", "It")
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_headers_of_other_versions_are_read(tmp_path):
    for version in ((1, 0), (2, 0), (3, 0)):
        file = io.BytesIO()
        np.lib.format.write_array(file, np.arange(3.0), version)
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", file.getvalue())
        assert read_arrays(tmp_path / "a.npz", "It")["a"].tolist() == [0.0, 1.0, 2.0]


def test_what_is_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(2**20))
    assert (tmp_path / "a.npz").stat().st_size < 20_000
    monkeypatch.setattr(arrays, "MAX_BYTES", 2**22)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(HandfulError, match="It holds 8 MiB, and at most"):
        read_arrays(tmp_path / "a.npz", "It")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_files_are_one_sentence(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)

    def read(copy):
        (tmp_path / "b.npz").write_bytes(copy)
        with warnings.catch_warnings(action="error"):
            read_arrays(tmp_path / "b.npz", "It")

    said = sentences(read, damaged_copies((tmp_path / "a.npz").read_bytes(), 300, 5))
    assert len(said) > 150
    for sentence in said:
        assert sentence.startswith(("It cannot be read ", "It holds "))
        assert "\n" not in sentence
        assert "allow_pickle" not in sentence
        assert "max_header_size" not in sentence


def archive_of(path: Path, content: bytes, packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("a.npy", content)
    return path


def header(text: str, numbers: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + numbers


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "'a' is no array"),
        (b"\x93NUMPY\x09\x00", "of an unknown version"),
        (b"\x93NUMPY\x01\x00\xff\xff", "says too much of itself"),
        (header("os.system('x')"), "does not say what it holds"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "could run code"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (9,)}"), "shorter or longer"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "shorter or longer"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**99,)}"), "does not say"),
        (
            header("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", b"\xff" * 4),
            "characters that there are not",
        ),
        (
            header("{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (0,)}"),
            "no numbers and no text, but records",
        ),
    ],
)
def test_what_an_array_says_of_itself_is_checked(tmp_path, content, words):
    with pytest.raises(HandfulError, match=words):
        read_arrays(archive_of(tmp_path / "a.npz", content), "It")


def test_other_files_and_packings_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("a,b\n")
    np.save(tmp_path / "one.npy", np.ones(2))
    for name in ("text.npz", "one.npy"):
        with pytest.raises(
            HandfulError, match=r"\(it is no .npz file\): write it with numpy.savez"
        ):
            read_arrays(tmp_path / name, "It")
    packed = archive_of(tmp_path / "a.npz", b"", zipfile.ZIP_BZIP2)
    with pytest.raises(HandfulError, match=r"packed as numpy\.savez packs none"):
        read_arrays(packed, "It")
