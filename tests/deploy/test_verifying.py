"""A bundle is checked to the byte, and by what its policies did."""

import io
import json
import sys
import zipfile

import numpy as np
import pytest

import handful
from handful.cli.main import main
from handful.deploy import Format, formats, register_format, verify
from handful.deploy.arrays import read_npz
from handful.export.bundle import _npz, _write_zip
from tests.bundles import nested_files, put, signed

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")


@pytest.fixture(scope="module")
def files():
    """The files of a sound bundle."""
    return nested_files(with_users=True)[2]


@pytest.fixture
def known_formats(monkeypatch):
    """Formats that a test registers are forgotten after it."""
    monkeypatch.setattr(sys.modules["handful.deploy.formats"], "_FORMATS", dict(formats()))


def test_a_sound_bundle_passes_as_a_folder_and_as_a_zip_file(files, tmp_path):
    folder, archive = put(files, tmp_path / "bundle"), tmp_path / "bundle.zip"
    _write_zip(archive, files)
    found = verify(folder)
    assert verify(archive) == found
    assert found.num_files == len(files) - 1
    (numpy,) = found.formats
    assert (numpy.name, numpy.largest_difference, numpy.skipped) == ("numpy", 0.0, None)
    assert numpy.num_vectors == sum(
        len(array)
        for name, array in read_npz(files["vectors.npz"], "").items()
        if name.endswith("actions")
    )
    assert handful.load(archive).digest == handful.load(folder).digest


def test_every_changed_byte_is_named(files, tmp_path):
    rng = np.random.default_rng(0)
    for index, name in enumerate(files):
        place = int(rng.integers(len(files[name])))
        changed = bytearray(files[name])
        changed[place] ^= 1 << int(rng.integers(8))
        folder = put({**files, name: bytes(changed)}, tmp_path / str(index))
        with pytest.raises(handful.HandfulError) as error:
            verify(folder)
        if name == "SHA256SUMS":  # the digest may now be that of another file
            assert "SHA256SUMS" in str(error.value)
        else:
            assert f"'{folder}/{name}' was changed" in str(error.value)


@pytest.mark.parametrize("name", ["policies/1.safetensors", "vectors.npz", "users.csv"])
def test_a_missing_and_a_foreign_file_are_named(files, tmp_path, name):
    folder = put({n: data for n, data in files.items() if n != name}, tmp_path / "less")
    with pytest.raises(handful.HandfulError, match=f"{name}' is missing"):
        verify(folder)
    folder = put({**files, "policies/extra.bin": b"1"}, tmp_path / "more")
    with pytest.raises(handful.HandfulError, match=r"policies/extra\.bin' is not listed"):
        handful.load(folder)


def test_other_weights_than_were_recorded_are_noticed_although_they_are_signed(files, tmp_path):
    swapped = {
        **files,
        "policies/0.safetensors": files["policies/1.safetensors"],
        "policies/1.safetensors": files["policies/0.safetensors"],
    }
    folder = put(signed(swapped), tmp_path / "swapped")
    handful.load(folder)
    with pytest.raises(handful.HandfulError, match=r"Policy 0 of .* computes other numbers"):
        verify(folder)


def test_another_decoding_than_was_recorded_is_noticed(files, tmp_path):
    content = json.loads(files["interface.json"])
    content["action"]["decode"]["starts"] = [0, 5]
    changed = signed({**files, "interface.json": json.dumps(content).encode()})
    with pytest.raises(handful.HandfulError, match="acts differently as numpy"):
        verify(put(changed, tmp_path / "shifted"))


@pytest.mark.usefixtures("known_formats")
def test_a_further_format_is_replayed_by_its_own_runner(files, tmp_path):
    more = signed({**files, "policies/0.twin": b"", "policies/1.twin": b""})
    folder = put(more, tmp_path / "twins")
    assert [one.name for one in verify(folder).formats] == ["numpy"]  # nobody knows of twins

    def opened(checked, bundle, policy):
        assert checked.read(f"policies/{policy}.twin") == b""
        return lambda rows: bundle.act(rows, policy=policy, flattened=True)

    register_format(Format("twin", ".twin", opened, lambda: None))
    assert [one.name for one in verify(folder).formats] == ["numpy", "twin"]

    def liar(checked, bundle, policy):
        return lambda rows: bundle.act(rows, policy=1 - policy, flattened=True)

    register_format(Format("twin", ".twin", liar, lambda: None))
    with pytest.raises(handful.HandfulError, match="acts differently as twin"):
        verify(folder)
    register_format(Format("twin", ".twin", liar, lambda: "twinlib"))
    assert verify(folder).formats[1].skipped == "twinlib"


def test_nearly_equal_logits_may_be_rounded_either_way(files, tmp_path):
    """Another machine may round two logits that are all but equal the other way."""
    arrays = read_npz(files["vectors.npz"], "")
    outputs, actions = arrays["0/outputs"].copy(), arrays["0/actions"].copy()
    row = 3
    actions[row] = [0, 5] if actions[row].tolist() != [0, 5] else [0, 6]
    changed = {**arrays, "0/actions": actions}
    wrong = signed({**files, "vectors.npz": _npz(changed)})
    with pytest.raises(handful.HandfulError, match="first at vector 3"):
        verify(put(wrong, tmp_path / "wrong"))
    assert outputs.shape[1] == 6


def test_the_command_says_what_it_checked_and_exits_with_2_for_a_bad_bundle(
    files, tmp_path, capsys
):
    folder = put(files, tmp_path / "bundle")
    main(["verify", str(folder)])
    digest = handful.load(folder).digest
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"sound: {len(files) - 1} files, digest {digest}"
    assert second.startswith("numpy: ")
    main(["verify", str(folder), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["digest"], shown["formats"][0]["name"]) == (digest, "numpy")
    (folder / "features.json").write_bytes(files["features.json"] + b" ")
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(folder)])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert "features.json" in err
    assert err.count("\n") == 1


def test_a_zip_file_of_a_bundle_is_the_same_each_time(files, tmp_path):
    for name in ("one.zip", "two.zip"):
        _write_zip(tmp_path / name, files)
    data = (tmp_path / "one.zip").read_bytes()
    assert data == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert set(archive.namelist()) == set(files)
