"""Bundles of strangers: whatever is wrong with one, it is one clear error, and nothing else.

Most of these are signed: their digests are those of the malformed files, as a stranger's would be.
"""

import io
import json
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import handful
from handful.deploy import verify
from handful.deploy.arrays import read_npz, read_safetensors
from handful.export.bundle import _npz, _write_zip
from tests.bundles import nested_files, put, signed

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")

POLICY, OTHER = "policies/1.safetensors", "policies/0.safetensors"
MOST_MEMORY = 100 * 2**20


@pytest.fixture(scope="module")
def sound():
    """The files of a sound bundle."""
    return nested_files()[2]


def refused(path):
    """The one line with which a path is refused, which takes little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(handful.HandfulError) as error:
            verify(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 600
    return sentence


def edited(name, change):
    """A change of a JSON file's content; what the function returns takes its place, if anything."""

    def edit(files):
        content = json.loads(files[name])
        found = change(content)
        return {**files, name: json.dumps(content if found is None else found).encode()}

    return edit


def replaced(name, data):
    """A change that puts other bytes in the place of a file."""
    return lambda files: {**files, name: data(files[name]) if callable(data) else data}


def at(*path, value):
    """A change of the entry at a path."""

    def change(content):
        for part in path[:-1]:
            content = content[part]
        content[path[-1]] = value

    return change


def without(*path):
    """A change that leaves out the entry at a path."""

    def change(content):
        for part in path[:-1]:
            content = content[part]
        del content[path[-1]]

    return change


def deep(levels):
    """A space of so many levels."""
    space = {"kind": "discrete", "n": 2, "start": 0}
    for _ in range(levels):
        space = {"kind": "tuple", "parts": [space]}
    return space


def interface(*path, value):
    return edited("interface.json", at(*path, value=value))


def space(value):
    return interface("observation", "space", value=value)


def box(shape):
    return space({"kind": "box", "shape": shape})


def decode(name, value):
    return interface("action", "decode", name, value=value)


def vector_action(**changes):
    """A change of the actions into vectors, with something wrong."""
    action = {"kind": "box", "low": [-1.0] * 6, "high": [1.0] * 6, "squashed": False}
    return interface("action", value={**action, "decode": None, **changes})


def header(change):
    """A change of the header of a policy's file; the bytes after it stay."""

    def edit(data):
        (length,) = struct.unpack("<Q", data[:8])
        content = json.loads(data[8 : 8 + length])
        found = change(content)
        text = json.dumps(content if found is None else found).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + length :]

    return replaced(POLICY, edit)


def said(**changes):
    """A change of what a policy's file says of its network."""

    def change(content):
        about = json.loads(content["__metadata__"]["policy"])
        content["__metadata__"]["policy"] = json.dumps({**about, **changes})

    return header(change)


def numbers(name, value):
    """A change of the first number of an array of a policy."""

    def edit(data):
        arrays, _ = read_safetensors(data, "")
        (length,) = struct.unpack("<Q", data[:8])
        start = json.loads(data[8 : 8 + length])[name]["data_offsets"][0] + 8 + length
        assert arrays[name].dtype == np.float32
        return data[:start] + struct.pack("<f", value) + data[start + 4 :]

    return replaced(POLICY, edit)


def vectors(change, name="vectors.npz"):
    """A change of the recorded arrays."""

    def edit(data):
        arrays = dict(read_npz(data, ""))
        change(arrays)
        return _npz(arrays)

    return replaced(name, edit)


def distributions(change):
    """A change of how observations are distributed."""
    return vectors(change, "distributions.npz")


def npy(content):
    """A change of the raw bytes of one recorded array."""

    def edit(data):
        file = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(data)) as before,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after,
        ):
            for name in before.namelist():
                after.writestr(name, content if name == "0/outputs.npy" else before.read(name))
        return file.getvalue()

    return replaced("vectors.npz", edit)


def npy_of(shape, dtype="<f4", order="False", version=b"\x01\x00", data=b""):
    text = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


def pickled():
    """An array of objects, in which code could be."""
    file = io.BytesIO()
    np.save(file, np.array([print, {}], dtype=object), allow_pickle=True)
    return file.getvalue()


def rows(*lines):
    return replaced("assignment.csv", "".join(f"{line}\n" for line in lines).encode())


USERS = ("user,policy", "user-0,0", "user-1,1", "user-2,0")

SIGNED = {
    "manifest: no JSON": replaced("manifest.json", b"format: 1"),
    "manifest: empty": replaced("manifest.json", b""),
    "manifest: nested too deeply": replaced("manifest.json", b"[" * 200_000),
    "manifest: mappings nested too deeply": replaced("manifest.json", b'{"a":' * 100_000),
    "manifest: no text": replaced("manifest.json", b"\xff\xfe{}"),
    "manifest: not a number": replaced("manifest.json", b'{"format": NaN}'),
    "manifest: infinite": replaced("manifest.json", b'{"format": 1e999}'),
    "manifest: a number of 100,000 digits": replaced("manifest.json", b"1" * 100_000),
    "manifest: a list": replaced("manifest.json", b"[1]"),
    "manifest: null": replaced("manifest.json", b"null"),
    "manifest: a later format": edited("manifest.json", at("format", value=2)),
    "manifest: no format": edited("manifest.json", without("format")),
    "manifest: a format of another kind": edited("manifest.json", at("format", value=[1] * 99)),
    "manifest: no policies": edited("manifest.json", at("num_policies", value=0)),
    "manifest: a billion policies": edited("manifest.json", at("num_policies", value=10**9)),
    "manifest: fewer policies": edited("manifest.json", at("num_policies", value=1)),
    "manifest: a policy elsewhere": edited(
        "manifest.json", at("policies", 0, "file", value="../../etc/passwd")
    ),
    "manifest: policies in another order": edited(
        "manifest.json", lambda content: content["policies"].reverse()
    ),
    "manifest: another number of users": edited("manifest.json", at("num_users", value=7)),
    "manifest: a task without a name": edited("manifest.json", without("task", "name")),
    "interface: a list": replaced("interface.json", b"[]"),
    "interface: no observation": edited("interface.json", without("observation")),
    "interface: no action": edited("interface.json", without("action")),
    "interface: nothing seen": edited("interface.json", without("observation", "seen")),
    "interface: no space": edited("interface.json", without("observation", "space")),
    "space: of an unknown kind": space({"kind": "graph"}),
    "space: of no kind": space({}),
    "space: of a kind that is no text": space({"kind": ["box"]}),
    "space: a text": space("box"),
    "space: too deep": space(deep(20)),
    "space: far too deep": space(deep(400)),
    "space: larger than memory": box([2**20, 2**20, 2**20]),
    "space: a size of 62 bits": box([2**61]),
    "space: a negative size": box([-3]),
    "space: half a size": box([2.5]),
    "space: true as a size": box([True]),
    "space: no shape": space({"kind": "box"}),
    "space: too many axes": box([1] * 100_000),
    "space: another size": box([3]),
    "space: a billion choices": space({"kind": "discrete", "n": 10**9, "start": 0}),
    "space: no choice": space({"kind": "discrete", "n": 0, "start": 0}),
    "space: a start that is no number": space({"kind": "discrete", "n": 2, "start": "0"}),
    "space: parts that do not fit": space(
        {"kind": "multi-discrete", "shape": [3], "sizes": [2, 2], "starts": [0, 0]}
    ),
    "space: a part without a name": space(
        {"kind": "dict", "parts": [{"space": {"kind": "discrete", "n": 2, "start": 0}}]}
    ),
    "space: a part without a space": space({"kind": "dict", "parts": [{"name": "a"}]}),
    "space: two parts of a name": space(
        {"kind": "dict", "parts": [{"name": "a", "space": deep(0)}] * 2}
    ),
    "space: many large parts": space(
        {"kind": "tuple", "parts": [{"kind": "box", "shape": [2**23]}] * 4}
    ),
    "seen: in the wrong order": interface("observation", "seen", "low", value=[9.0] * 33),
    "seen: of another size": interface("observation", "seen", "low", value=[0.0]),
    "seen: no numbers": interface("observation", "seen", "high", value=["a"]),
    "offset: of another size": interface("observation", "offset", value=[1.0]),
    "offset: a text": interface("observation", "offset", value="1"),
    "action: of an unknown kind": interface("action", "kind", value="text"),
    "action: a billion": interface("action", "num_actions", value=10**9),
    "action: another number": interface("action", "num_actions", value=5),
    "action: a decoding that is no mapping": interface("action", "decode", value=[1]),
    "action: choices that do not make it up": decode("sizes", [3, 3]),
    "action: choices of negative sizes": decode("sizes", [-3, -2]),
    "action: a start too few": decode("starts", [0]),
    "action: objects": decode("dtype", "object"),
    "action: text": decode("dtype", "U99999999"),
    "action: a type that is no text": decode("dtype", {}),
    "action: another shape": decode("shape", [2**40]),
    "action: a shape of many axes": decode("shape", [1] * 70 + [2]),
    "action: vectors without bounds": vector_action(low=None),
    "action: vectors with turned bounds": vector_action(low=[2.0] * 6),
    "action: vectors with a bound too few": vector_action(low=[-1.0] * 5),
    "action: vectors without spread": vector_action(),
    "action: squashed without bounds": vector_action(squashed=True, low=[None] * 6),
    "action: squashed by text": vector_action(squashed="yes"),
    "action: squashed without spreads": vector_action(squashed=True, log_std_range=None),
    "features: a list": replaced("features.json", b"[]"),
    "features: no names": edited("features.json", without("names")),
    "features: too many names": edited("features.json", at("names", value=["a", "b"])),
    "features: of one policy": edited("features.json", lambda c: c["policies"].pop() and None),
    "features: text": edited("features.json", at("policies", 0, "mean", value=["1"])),
    "features: a covariance of another size": edited(
        "features.json", at("policies", 0, "covariance", value=[[1.0, 2.0]])
    ),
    "features: a covariance of text": edited(
        "features.json", at("policies", 0, "covariance", value=[["a"]])
    ),
    "policy: empty": replaced(POLICY, b""),
    "policy: a header of 2**63 bytes": replaced(POLICY, struct.pack("<Q", 2**63) + b"{}"),
    "policy: a header longer than the file": replaced(POLICY, struct.pack("<Q", 100) + b"{}"),
    "policy: a header that is no JSON": replaced(POLICY, struct.pack("<Q", 4) + b"1 + "),
    "policy: a header of lists": replaced(POLICY, struct.pack("<Q", 9) + b"[" * 9),
    "policy: cut short": replaced(POLICY, lambda data: data[:-4]),
    "policy: bytes after its end": replaced(POLICY, lambda data: data + b"\0" * 4),
    "policy: no array": header(lambda content: {"__metadata__": content["__metadata__"]}),
    "policy: an array that is larger than memory": header(
        at("head/weight", "shape", value=[2**40, 2**20])
    ),
    "policy: a negative size": header(at("head/weight", "shape", value=[-8, -6])),
    "policy: no size": header(at("head/weight", "shape", value=[0, 6])),
    "policy: a shape of text": header(at("head/weight", "shape", value="8x6")),
    "policy: places that overlap": header(at("head/weight", "data_offsets", value=[0, 192])),
    "policy: a place before the file": header(at("head/bias", "data_offsets", value=[-24, 0])),
    "policy: a place after the file": header(
        at("head/bias", "data_offsets", value=[2**61, 2**61 + 24])
    ),
    "policy: half floats": header(at("head/bias", "dtype", value="F16")),
    "policy: double precision": header(at("head/bias", "dtype", value="F64")),
    "policy: an unknown type": header(at("head/bias", "dtype", value="PICKLE")),
    "policy: an array that is a text": header(at("head/bias", value="here")),
    "policy: no metadata": header(without("__metadata__")),
    "policy: metadata that are no text": header(at("__metadata__", "policy", value=1)),
    "policy: metadata that are no JSON": header(at("__metadata__", "policy", value="{")),
    "policy: metadata that are a list": header(at("__metadata__", "policy", value="[]")),
    "policy: no layers": said(layers=[]),
    "policy: a million layers": said(layers=["head"] * 100_000),
    "policy: a layer that is not there": said(layers=["hidden-0", "hidden-1", "head"]),
    "policy: a layer twice": said(layers=["hidden-0", "head", "head"]),
    "policy: a layer too few": said(layers=["head"]),
    "policy: layers that are numbers": said(layers=[0, 1]),
    "policy: layers in another order": said(layers=["head", "hidden-0"]),
    "policy: another activation": said(activation="__import__('os')"),
    "policy: another first layer": said(first_layer="pickle"),
    "policy: a lookup of vectors": said(first_layer="lookup"),
    "policy: no clip": said(clip=0),
    "policy: a clip of text": said(clip="10"),
    "policy: no epsilon": said(epsilon=-1.0),
    "policy: a weight that is not a number": numbers("head/weight", np.nan),
    "policy: an infinite weight": numbers("hidden-0/bias", np.inf),
    "policy: a negative variance": numbers("observations/variance", -1.0),
    "policy: another policy's numbers": numbers("head/bias", 1e6),
    "assignment: empty": replaced("assignment.csv", b""),
    "assignment: another header": rows("name,policy", *USERS[1:]),
    "assignment: one column": rows("user", "user-0"),
    "assignment: a policy that is not there": rows(*USERS[:3], "user-2,2"),
    "assignment: a negative policy": rows(*USERS[:3], "user-2,-1"),
    "assignment: half a policy": rows(*USERS[:3], "user-2,0.5"),
    "assignment: a policy in other digits": rows(*USERS[:3], "user-2,٠"),
    "assignment: a policy of 10,000 digits": rows(*USERS[:3], f"user-2,{'1' * 10_000}"),
    "assignment: a user twice": rows(*USERS[:3], "user-1,0"),
    "assignment: a user too few": rows(*USERS[:3]),
    "assignment: a column too many": rows(*USERS[:3], "user-2,0,1"),
    "assignment: a name of a million letters": rows(*USERS[:3], f"{'a' * 1_000_000},0"),
    "assignment: no text": replaced("assignment.csv", b"user,policy\n\xff,0\n"),
    "assignment: an open quotation": rows(*USERS[:3], '"user-2,0'),
    "distributions: empty": replaced("distributions.npz", b""),
    "distributions: an array too few": distributions(lambda arrays: arrays.pop("below")),
    "distributions: an array too many": distributions(lambda a: a.update(more=np.zeros(1))),
    "distributions: of fewer policies": distributions(
        lambda a: a.update({n: a[n][:, :1] for n in ("levels", "below", "up_to")})
    ),
    "distributions: of fewer entries": distributions(lambda a: a.update(windows=a["windows"][1:])),
    "distributions: levels in another order": distributions(
        lambda a: a.update(levels=-a["levels"])
    ),
    "distributions: an infinite level": distributions(
        lambda a: a.update(levels=a["levels"] + np.float32(np.inf))
    ),
    "distributions: a share above 1": distributions(lambda a: a.update(up_to=a["up_to"] + 1)),
    "distributions: more below than up to a level": distributions(
        lambda a: a.update(below=a["up_to"], up_to=a["below"])
    ),
    "distributions: a share that is no number": distributions(
        lambda a: a.update(below=a["below"] * np.float32(np.nan))
    ),
    "distributions: of no windows": distributions(lambda a: a.update(windows=a["windows"] * 0)),
    "distributions: of an endless window": distributions(
        lambda a: a.update(length=np.int64(2**40))
    ),
    "distributions: of a window of no length": distributions(
        lambda a: a.update(length=np.float64(np.nan))
    ),
    "vectors: empty": replaced("vectors.npz", b""),
    "vectors: no zip file": replaced("vectors.npz", b"PK" * 100),
    "vectors: an array too few": vectors(lambda arrays: arrays.pop("0/actions")),
    "vectors: an array too many": vectors(lambda a: a.update(more=np.zeros(1))),
    "vectors: of another type": vectors(
        lambda a: a.update({"0/outputs": a["0/outputs"].astype(np.float64)})
    ),
    "vectors: of another size": vectors(lambda a: a.update({"0/outputs": a["0/outputs"][1:]})),
    "vectors: without an axis": vectors(lambda a: a.update({"0/observations": np.float32([1.0])})),
    "vectors: not a number": vectors(
        lambda a: a.update({"0/outputs": a["0/outputs"] * np.float32(np.nan)})
    ),
    "vectors: objects": npy(pickled()),
    "vectors: a shape that is larger than memory": npy(npy_of("(1099511627776, 1048576)")),
    "vectors: a shape of a million digits": npy(npy_of(f"({'9' * 60_000},)")),
    "vectors: a shape that is code": npy(npy_of("(__import__('os').getpid(),)")),
    "vectors: columns first": npy(npy_of("(1, 6)", order="True", data=bytes(24))),
    "vectors: another version": npy(npy_of("(1, 6)", version=b"\x02\x00", data=bytes(24))),
    "vectors: bytes after the end": npy(npy_of("(1, 6)", data=bytes(28))),
    "vectors: a header longer than the file": npy(b"\x93NUMPY\x01\x00\xff\xff{"),
    "vectors: no array": npy(b"hello"),
}


@pytest.mark.parametrize("case", SIGNED)
def test_a_malformed_file_is_one_clear_error(sound, tmp_path, case):
    name = case.partition(":")[0]
    file = {
        "space": "interface",
        "seen": "interface",
        "offset": "interface",
        "action": "interface",
        "policy": "policies/1.safetensors",
    }.get(name, name)
    files = signed(SIGNED[case](dict(sound)))
    sentence = refused(put(files, tmp_path / "bundle"))
    others = (
        "acts differently",
        "computes other numbers",
        "does not fit",
        "its assignment has",
        "is a bundle of format",
    )
    assert file in sentence or any(words in sentence for words in others), sentence


def of_sums(change):
    """A bundle whose file of digests is changed."""

    def make(files, folder):
        return put({**files, "SHA256SUMS": change(files["SHA256SUMS"])}, folder)

    return make


def with_link(name, target):
    """A bundle in which a link takes the place of a file or a folder."""

    def make(files, folder):
        put({n: data for n, data in files.items() if not n.startswith(name)}, folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(target)
        return folder

    return make


def with_pipe(files, folder):
    put(files, folder)
    (folder / "interface.json").unlink()
    os.mkfifo(folder / "interface.json")
    return folder


def with_file(name):
    return lambda files, folder: put({**files, name: b""}, folder)


def zipped(change=None, **entries):
    """A zip file with further entries, and with its bytes changed."""

    def make(files, folder):
        folder.mkdir()
        path = folder / "bundle.zip"
        _write_zip(path, files)
        path.chmod(0o644)
        with zipfile.ZipFile(path, "a") as archive:
            for entry, data in entries.get("more", ()):
                archive.writestr(entry, data)
        if change is not None:
            path.write_bytes(change(path.read_bytes()))
        return path

    return make


def entry(name, mode=0o100644, kind=zipfile.ZIP_STORED):
    found = zipfile.ZipInfo(name)
    found.external_attr, found.compress_type = mode << 16, kind
    return found


def patched(mark, offset, value):
    """A change of the bytes behind the first record in a zip file with a mark."""

    def change(data):
        place = data.index(mark) + offset
        return data[:place] + value + data[place + len(value) :]

    return change


def lying(data):
    """A larger size of the first file in the list of files."""
    return patched(b"PK\x01\x02", 24, struct.pack("<L", 2**31))(data)


BAD_LINE = b"0" * 64 + b"  "

PLACES = {
    "no bundle there": lambda files, folder: folder / "nothing",
    "an empty folder": lambda files, folder: folder.mkdir() or folder,
    "a file that is none": lambda files, folder: put({"b": b"hello"}, folder) / "b",
    "an empty file": lambda files, folder: put({"b": b""}, folder) / "b",
    "a device": lambda files, folder: "/dev/zero",
    "a name with a NUL": lambda files, folder: "bun\0dle",
    "no manifest": lambda files, folder: put(
        signed({n: d for n, d in files.items() if n != "manifest.json"}), folder
    ),
    "a link to a file outside": with_link("interface.json", "/etc/passwd"),
    "a link to nothing": with_link("features.json", "nowhere"),
    "a link to a folder outside": with_link("policies", "/etc"),
    "a pipe": with_pipe,
    "a hidden file": with_file(".profile"),
    "a name with a blank": with_file("policies/a b"),
    "a name with a new line": with_file("policies/a\nb"),
    "a folder too deep": with_file("a/b/c/d/e/f"),
    "digests: none": of_sums(lambda data: b""),
    "digests: no text": of_sums(lambda data: b"\xff" + data),
    "digests: a line too few": of_sums(lambda data: data.partition(b"\n")[2]),
    "digests: a line twice": of_sums(lambda data: data + data.partition(b"\n")[0] + b"\n"),
    "digests: of a file above": of_sums(lambda data: data + BAD_LINE + b"../../etc/passwd\n"),
    "digests: of a file elsewhere": of_sums(lambda data: data + BAD_LINE + b"/etc/passwd\n"),
    "digests: of itself": of_sums(lambda data: data + BAD_LINE + b"SHA256SUMS\n"),
    "digests: too short": of_sums(lambda data: data[1:]),
    "digests: many lines": of_sums(lambda data: data * 3000),
    "zip: a file above": zipped(more=[(entry("../evil"), b"x")]),
    "zip: a file far above": zipped(more=[(entry("policies/../../../evil"), b"x")]),
    "zip: a file elsewhere": zipped(more=[(entry("/tmp/evil"), b"x")]),
    "zip: a file above in Windows": zipped(more=[(entry("..\\evil"), b"x")]),
    "zip: a file on a drive": zipped(more=[(entry("C:evil"), b"x")]),
    "zip: a link": zipped(more=[(entry("policies/link", 0o120777), b"/etc/passwd")]),
    "zip: a device": zipped(more=[(entry("policies/device", 0o020666), b"")]),
    "zip: a folder": zipped(more=[(entry("folder/"), b"")]),
    "zip: packed otherwise": zipped(more=[(entry("more", kind=zipfile.ZIP_LZMA), b"x")]),
    "zip: a bomb": zipped(
        more=[(entry("policies/2.bin", kind=zipfile.ZIP_DEFLATED), bytes(50 * 2**20))]
    ),
    "zip: encrypted": zipped(patched(b"PK\x01\x02", 8, b"\x01\x00")),
    "zip: a size that is not true": zipped(lying),
    "zip: another check sum": zipped(patched(b"PK\x01\x02", 16, b"\0\0\0\0")),
    "zip: another name inside": zipped(patched(b"PK\x03\x04", 30, b"q")),
    "zip: 65,535 files": zipped(patched(b"PK\x05\x06", 8, b"\xff\xff\xff\xff")),
    "zip: a list of 4 GB": zipped(patched(b"PK\x05\x06", 12, b"\xff\xff\xff\xff")),
    "zip: on several disks": zipped(patched(b"PK\x05\x06", 4, b"\x01")),
    "zip: cut short": zipped(lambda data: data[:-30]),
    "zip: only its end": zipped(lambda data: data[-22:]),
    "zip: bytes after its end": zipped(lambda data: data + b"hello"),
    "zip: bytes before it": zipped(lambda data: b"#!/bin/sh\n" + data),
    "zip: the mark of a larger one": zipped(
        lambda data: data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:]
    ),
}


def test_the_folder_of_a_run_is_told_from_a_damaged_bundle(tmp_path):
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(
        handful.HandfulError, match=r"the folder of a run.*'handful export .* --out BUNDLE'"
    ):
        handful.load(tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", PLACES)
def test_a_malformed_place_is_one_clear_error(sound, tmp_path, case):
    path = PLACES[case](dict(sound), tmp_path / "bundle")
    sentence = refused(path)
    assert "bundle" in sentence or "/dev/zero" in sentence
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_file_with_two_files_of_a_name_is_refused(sound, tmp_path):
    make = zipped(more=[(entry("manifest.json"), b"{}")])
    assert "is there twice" in refused(make(dict(sound), tmp_path / "bundle"))


def test_a_link_is_refused_although_what_it_leads_to_is_sound(sound, tmp_path):
    elsewhere = put(sound, tmp_path / "elsewhere")
    for name in ("policies", "features.json"):
        folder = with_link(name, elsewhere / name)(dict(sound), tmp_path / f"with {name}")
        assert f"{name!r} is a link" in refused(folder)


def test_a_bomb_is_refused_although_it_is_signed(sound, tmp_path):
    files = signed({**sound, "more.csv": bytes(50 * 2**20)})
    _write_zip(tmp_path / "bundle.zip", files)
    assert (tmp_path / "bundle.zip").stat().st_size < 2**18
    assert "it would unpack" in refused(tmp_path / "bundle.zip")


def test_random_damage_is_an_error_or_nothing(sound, tmp_path):
    """Whatever bytes are changed, cut or put in, no other exception comes of it."""
    rng = np.random.default_rng(100)
    names = sorted(set(sound) - {"SHA256SUMS"})
    outcomes = {True: 0, False: 0}
    for number in range(150):
        name = names[number % len(names)]
        data = bytearray(sound[name])
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(len(data)))
            kind = rng.integers(3)
            if kind == 0:
                data[place] = int(rng.integers(256))
            elif kind == 1:
                del data[place : place + int(rng.integers(1, 50))]
            else:
                data[place:place] = rng.bytes(int(rng.integers(1, 20)))
            if not data:
                break
        folder = put(signed({**sound, name: bytes(data)}), tmp_path / str(number))
        outcomes[_passes(folder)] += 1
    assert outcomes[False] > 75


def _passes(folder):
    try:
        verify(folder)
    except handful.HandfulError:
        return False
    return True
