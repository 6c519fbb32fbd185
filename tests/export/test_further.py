"""ONNX, C and StableHLO act as NumPy does, for each kind of network and of action."""

import ctypes
import subprocess
from itertools import pairwise

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from gymnasium import spaces

import handful
from handful.deploy.actions import Choices, Vectors, read_actions
from handful.deploy.policy import Policy
from handful.errors import HandfulError
from handful.export import further
from handful.export.bundle import bundle_files
from handful.export.further import c_file, check_formats, further_files, onnx_file, stablehlo_file
from tests.bundles import nested_files, nested_problem, put, random_policies, release_of, signed

MANY = 10_000
EDGE = np.inf


def policy(size, outputs, *, num_symbols=None, spread=False, clip=10.0, hidden=(16, 8)):
    rng = np.random.default_rng(size + outputs)
    widths = [num_symbols or size, *hidden, outputs]
    layers = tuple(
        (
            (rng.normal(size=(i, o)) / np.sqrt(i)).astype(np.float32),
            rng.normal(size=o).astype(np.float32),
        )
        for i, o in pairwise(widths)
    )
    lookup = num_symbols is not None
    return Policy(
        mean=(0 if lookup else 1) * rng.normal(size=size).astype(np.float32),
        variance=(
            np.ones(size, np.float32)
            if lookup
            else rng.uniform(0.5, 2, size).astype(np.float32) ** -2
        ),
        epsilon=1e-8,
        count=100.0,
        clip=EDGE if lookup else clip,
        layers=layers,
        num_symbols=num_symbols,
        log_std=np.zeros(outputs, np.float32) if spread else None,
    )


def box(squashed, decode=None):
    bounds = {"low": [-1.0, -0.5], "high": [1.0, 0.25]} if squashed else {}
    return read_actions(
        {
            "kind": "box",
            **(bounds or {"low": [None, -0.5], "high": [2.0, None]}),
            "squashed": squashed,
            "log_std_range": [-5.0, 2.0],
            "decode": decode,
        }
    )


WHOLE = {
    "scale": [3.0, 0.5],
    "shift": [1.0, -2.0],
    "low": [-2.0, None],
    "high": [None, 7.0],
    "shape": [2, 1],
}
CASES = {
    "finite": (policy(5, 4), read_actions({"kind": "discrete", "num_actions": 4})),
    "several choices": (
        policy(3, 12),
        read_actions(
            {
                "kind": "discrete",
                "num_actions": 12,
                "decode": {"sizes": [3, 2, 2], "starts": [-1, 5, 0], "shape": [3], "dtype": "int8"},
            }
        ),
    ),
    "numbered observations": (
        policy(1, 3, num_symbols=20),
        read_actions({"kind": "discrete", "num_actions": 3}),
    ),
    "no hidden layer": (policy(4, 2, spread=True, hidden=()), box(False)),
    "vector": (policy(6, 2, spread=True, clip=1.5), box(False)),
    "vector in other units": (
        policy(6, 2, spread=True),
        box(False, {**WHOLE, "dtype": "float64"}),
    ),
    "whole numbers": (policy(6, 2, spread=True), box(False, {**WHOLE, "dtype": "int32"})),
    "squashed": (policy(6, 4), box(True)),
    "squashed in other units": (policy(6, 4), box(True, {**WHOLE, "dtype": "float32"})),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def observations(found, number):
    rng = np.random.default_rng(7)
    if found.num_symbols is not None:
        symbols = rng.integers(found.num_symbols, size=(number, 1))
        return (symbols / found.num_symbols).astype(np.float32)
    return (3 * rng.normal(size=(number, found.observation_size))).astype(np.float32)


def is_clear(found, actions, rows):
    """Where rounding cannot change a finite action, or a number that is cut to a whole one."""
    if isinstance(actions, Choices):
        best = np.sort(found.outputs(rows), axis=1)[:, -2:]
        return best[:, 1] - best[:, 0] > 1e-4
    if actions.dtype.kind == "f":
        return np.ones(len(rows), bool)
    values = actions.choose(found, rows, None).astype(float) * actions.scale + actions.shift
    return (np.abs(values - np.rint(values)) > 1e-4).all(axis=1)


def run_onnx(data, rows):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(["action", "outputs"], {"observations": rows})


@ALL
def test_onnx_acts_as_numpy_does(case):
    found, actions = case
    rows = observations(found, MANY)
    data = onnx_file(found, actions)
    chosen, outputs = run_onnx(data, rows)
    np.testing.assert_allclose(outputs, found.outputs(rows), atol=1e-5, rtol=1e-5)
    wanted = actions.decode(actions.choose(found, rows, None))
    assert (chosen.dtype, chosen.shape) == (wanted.dtype, wanted.shape)
    clear = is_clear(found, actions, rows)
    assert clear.mean() > 0.85
    np.testing.assert_allclose(chosen[clear], wanted[clear], atol=1e-5, rtol=1e-5)
    assert onnx_file(found, actions) == data
    one = run_onnx(data, rows[:1])[0]
    assert one.shape == (1, *actions.shape)


C_CASES = ("several choices", "numbered observations", "no hidden layer", "whole numbers")
C_CASES += ("vector in other units", "squashed in other units")


@pytest.mark.parametrize("name", C_CASES)
def test_c_acts_as_onnx_does_and_allocates_nothing(name, tmp_path):
    found, actions = CASES[name]
    source = tmp_path / "policy.c"
    source.write_bytes(c_file(found, actions, 3))
    text = source.read_text()
    assert "malloc" not in text
    assert str(tmp_path) not in text
    library = tmp_path / "policy.so"
    flags = ["-std=c99", "-O1", "-shared", "-fPIC", "-ffp-contract=off"]
    subprocess.run(["cc", *flags, str(source), "-o", str(library), "-lm"], check=True)
    command = ["nm", "-g", "--defined-only", str(library)]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2::3]
    # Nothing else can clash with the file of another policy.
    assert {name for name in names if name[0] != "_"} == {"policy_3", "policy_3_load"}
    function = ctypes.CDLL(str(library)).policy_3
    rows = observations(found, 200)
    wanted, wanted_outputs = run_onnx(onnx_file(found, actions), rows)
    clear = is_clear(found, actions, rows)
    action = np.zeros(wanted.shape[1:] or (1,), wanted.dtype)
    outputs = np.zeros(found.num_outputs, np.float32)
    for row, one, other, is_sure in zip(rows, wanted, wanted_outputs, clear, strict=True):
        function(*(ctypes.c_void_p(a.ctypes.data) for a in (row.copy(), action, outputs)))
        np.testing.assert_allclose(outputs, other, atol=1e-6, rtol=1e-6)
        if is_sure:
            np.testing.assert_allclose(action.reshape(np.shape(one)), one, atol=1e-6, rtol=1e-6)


def test_the_weights_of_a_large_network_are_in_its_c_file():
    """Above 100 KB the translator would put them into a second file, for the program to open."""
    case = policy(17, 6, spread=True, hidden=(128, 200))
    bounds = {"low": [-1.0] * 6, "high": [1.0] * 6, "squashed": False, "decode": None}
    text = c_file(case, read_actions({"kind": "box", **bounds})).decode()
    assert "fopen" not in text
    assert text.count("0x") > 128 * 200


@ALL
def test_stablehlo_acts_as_numpy_does(case):
    found, actions = case
    rows = observations(found, 300)
    again = jax.export.deserialize(bytearray(stablehlo_file(found, actions)))
    outputs, chosen = map(np.asarray, again.call(rows))
    np.testing.assert_allclose(outputs, found.outputs(rows), atol=1e-4, rtol=1e-5)
    wanted = actions.choose(found, rows, None)
    clear = is_clear(found, actions, rows) if isinstance(actions, Choices) else slice(None)
    np.testing.assert_allclose(chosen[clear], wanted[clear], atol=1e-4, rtol=1e-5)
    assert again.call(rows[:3])[0].shape == (3, found.num_outputs)


@pytest.mark.parametrize("space", [None, spaces.Box(-3, 3, (2, 2), np.float64)], ids=["i", "f"])
def test_a_bundle_holds_further_formats_and_verify_replays_onnx(space, tmp_path):
    problem = nested_problem(space)
    release = release_of(problem, random_policies(problem, 2), np.array([0, 1, 0]))
    files = bundle_files(release, False, ["onnx", "stablehlo", "onnx"])
    assert {f"policies/{k}.{f}" for k in (0, 1) for f in ("onnx", "stablehlo")} < set(files)
    folder = put(files, tmp_path / "bundle")
    replayed = {one.name: one for one in handful.deploy.verify(folder).formats}
    assert replayed["onnx"].num_vectors == replayed["numpy"].num_vectors > 0
    assert replayed["onnx"].largest_difference < 1e-5
    assert handful.load(folder).manifest["formats"] == ["onnx", "stablehlo"]


def changed(data, change):
    model = onnx.load_model_from_string(data)
    change(model)
    return model.SerializeToString()


def outside(model):
    one = model.graph.initializer[0]
    one.ClearField("raw_data")
    one.data_location = onnx.TensorProto.EXTERNAL
    one.external_data.add(key="location", value="../../etc/passwd")


def another_operator(model):
    node = model.graph.node[0]
    node.op_type = "If"


def another_policy(model):
    one = next(c for c in model.graph.initializer if len(c.dims) == 2)
    weight = onnx.numpy_helper.to_array(one)
    one.CopyFrom(onnx.numpy_helper.from_array(-weight, one.name))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda data: b"\xff" + data, "is no ONNX file|cannot be run"),
        (lambda data: changed(data, outside), "holds more than a policy"),
        (lambda data: changed(data, another_operator), "holds more than a policy"),
        (lambda data: changed(data, another_policy), "acts differently as onnx"),
        (lambda data: changed(data, lambda m: m.graph.ClearField("output")), "does not take"),
    ],
    ids=["bytes", "outside", "operator", "weights", "no output"],
)
def test_a_strangers_onnx_file_is_refused(harm, words, tmp_path):
    problem = nested_problem()
    release = release_of(problem, random_policies(problem, 1), np.array([0, 0, 0]))
    files = bundle_files(release, False, ["onnx"])
    files["policies/0.onnx"] = harm(files["policies/0.onnx"])
    with pytest.raises(HandfulError, match=words):
        handful.deploy.verify(put(signed(files), tmp_path / "bundle"))


def test_formats_are_checked_before_anything_slow(monkeypatch):
    with pytest.raises(HandfulError, match=r"There is no format 'onx' \(did you mean 'onnx'\?\)"):
        check_formats(["onx"])
    monkeypatch.setattr(further, "find_spec", lambda module: None)
    with pytest.raises(HandfulError, match=r"'c' needs onnx and emx_onnx_cgen: .*\[c\]"):
        check_formats(["c"])
    check_formats(["stablehlo"])


def test_files_have_the_names_of_their_policies():
    found, actions = CASES["finite"]
    assert list(further_files(["onnx"], [found] * 2, actions)) == [
        "policies/0.onnx",
        "policies/1.onnx",
    ]
    assert isinstance(CASES["vector"][1], Vectors)
    assert "policies/0.onnx" not in nested_files()[2]
