"""Networks of the caller's own in bundles: as ONNX, which jax2onnx writes and onnxruntime runs."""

import ctypes
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from gymnasium import spaces
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load, save

import handful
from handful.deploy import graphs
from handful.deploy.actions import read_actions
from handful.deploy.arrays import read_metadata
from handful.deploy.graphs import GraphError, check_graph
from handful.errors import HandfulError
from handful.export import own_network
from handful.export.bundle import bundle_files
from handful.export.further import c_file, onnx_file
from handful.export.own_network import OwnNetwork, check_same, network_graph, without_loops
from handful.learner.modules import Blueprint, init_modules
from handful.learner.networks import Actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from tests.bundles import nested_problem, put, release_of, signed
from tests.environments import TMaze, problem_of
from tests.networks import Image, Recurrent, Wave

BOX = spaces.Box(-3.0, np.array([[1.0, 3.0], [2.0, 9.0]]), (2, 2), np.float64)


def policies_of(problem, build, num_policies=2, seed=0):
    """Policies with modules of random weights, and statistics that are not the identity."""
    environment, rng = problem.environment, np.random.default_rng(seed)
    size, space = environment.observation_size, environment.action_space
    is_box = isinstance(space, handful.Box)
    outputs = space.size if is_box else space.num_actions
    stack = init_modules(
        jax.random.key(seed), num_policies, Blueprint(build.__name__, build, size, outputs)
    )
    normalizer = Normalizer(
        count=jnp.ones(num_policies),
        mean=jnp.asarray(rng.normal(size=(num_policies, size)), jnp.float32),
        variance=jnp.asarray(rng.uniform(0.2, 2.0, (num_policies, size)), jnp.float32),
        clip=1.5,  # so that clipping matters
    )
    spread = jnp.full((num_policies, outputs), -1.0) if is_box else None
    return Policies(Actor(stack, spread), normalizer, space)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A bundle of two convolutional policies whose actions are in other units; its files."""
    problem = nested_problem(BOX)
    policies = policies_of(problem, Image)
    files = bundle_files(release_of(problem, policies, np.array([0, 1, 0])), False)
    return problem, policies, files, put(files, tmp_path_factory.mktemp("own") / "bundle")


def test_a_convolutional_network_acts_from_a_bundle_as_in_training(image):
    problem, policies, files, folder = image
    assert {f"policies/{k}.{f}" for k in (0, 1) for f in ("onnx", "safetensors")} < set(files)
    bundle = handful.load(folder)
    assert bundle.manifest["formats"] == ["onnx"]
    rows = 3 * np.random.default_rng(1).normal(size=(10_000, policies.observation_size))
    rows = rows.astype(np.float32)
    decode = problem.environment.decode
    for k in (0, 1):
        own = policies.act(rows, policy=k)
        wanted = np.stack([decode(action) for action in own])
        acted = bundle.act(rows, policy=k, flattened=True)
        assert (acted.dtype, acted.shape) == (np.float64, (10_000, 2, 2))
        np.testing.assert_allclose(acted, wanted, atol=1e-5)
        whole = graphs.read_graph(files[f"policies/{k}.onnx"], "")("action", rows)
        np.testing.assert_allclose(whole, wanted, atol=1e-5)
    drawn = [
        bundle.act(rows[0], policy=1, flattened=True, rng=np.random.default_rng(s))
        for s in (0, 0, 1)
    ]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()


def test_verify_replays_the_graph_and_finds_another_network(image, tmp_path):
    _, _, files, folder = image
    (replayed,) = handful.deploy.verify(folder).formats
    assert (replayed.name, replayed.skipped) == ("onnx", None)
    assert replayed.num_vectors > 0
    assert replayed.largest_difference < 1e-5
    swapped = {**files, "policies/0.onnx": files["policies/1.onnx"]}
    with pytest.raises(HandfulError, match="computes other numbers than were recorded"):
        handful.deploy.verify(put(signed(swapped), tmp_path / "swapped"))


def without_spread(files):
    arrays, about = parsed(files["policies/0.safetensors"])
    del arrays["log_std"]
    return {"policies/0.safetensors": save(arrays, about)}


def infinite(files):
    arrays, about = parsed(files["policies/0.safetensors"])
    return {
        "policies/0.safetensors": save({**arrays, "log_std": arrays["log_std"] - np.inf}, about)
    }


def fewer_outputs(files):
    model = onnx.load_model_from_string(files["policies/0.onnx"])
    model.graph.node.append(helper.make_node("Identity", ["observations"], ["other"]))
    model.graph.output[1].name = "other"
    return {"policies/0.onnx": model.SerializeToString()}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda files: {"policies/0.onnx": None}, "policies/0.onnx"),
        (lambda files: {"policies/0.onnx": b"?"}, "is no ONNX file"),
        (without_spread, "does not fit interface.json"),
        (infinite, "does not hold the statistics"),
        (fewer_outputs, "does not take the bundle's observations"),
    ],
    ids=["no graph", "bytes", "no spread", "infinite", "no outputs"],
)
def test_a_malformed_bundle_of_graphs_is_one_clear_error(image, harm, words, tmp_path):
    files = {**image[2], **harm(image[2])}
    files = {name: data for name, data in files.items() if data is not None}
    with pytest.raises(HandfulError, match=words):
        handful.deploy.verify(put(signed(files), tmp_path / "bundle"))


def test_policies_with_equal_statistics_have_digests_of_their_own(image):
    """Two releases are compared by these digests."""
    problem = image[0]
    stack = policies_of(problem, Image, 1, seed=5).actor
    one = policies_of(problem, Image, 1)
    other = Policies(stack, one.normalizer, one.action_space)
    first, second, again = (
        bundle_files(release_of(problem, p, np.array([0, 0, 0])), False)["policies/0.safetensors"]
        for p in (one, other, one)
    )
    assert first == again
    assert first != second


def test_without_its_packages_a_bundle_tells_what_it_can_do(image, monkeypatch):
    folder = image[3]
    monkeypatch.setattr(graphs, "find_spec", lambda name: None)
    bundle = handful.load(folder)
    assert bundle.policy_of(1) == 1
    with pytest.raises(HandfulError, match="NumPy cannot compute: install onnx and onnxruntime"):
        bundle.act(np.zeros(bundle.interface.observation_size), policy=0, flattened=True)
    (replayed,) = handful.deploy.verify(folder).formats
    assert replayed.skipped == "onnx and onnxruntime"


def test_export_says_which_package_is_missing(image, monkeypatch):
    problem, policies = image[:2]
    monkeypatch.setattr(own_network, "find_spec", lambda name: None if name == "jax2onnx" else 1)
    with pytest.raises(HandfulError, match=r"\('Image'\).* and jax2onnx to write it .*own-onnx\]"):
        bundle_files(release_of(problem, policies, np.array([0, 1, 0])), False)


def test_a_bundle_of_graphs_is_no_start_for_training(image):
    problem, _, _, folder = image
    with pytest.raises(HandfulError, match="start from the result or the run folder"):
        handful.train(problem, 2, "em", start_from=folder, steps=4096, progress=False)


def test_a_recurrent_network_over_a_window_is_written_out(tmp_path):
    """It has no state of its own: the caller keeps the window, as outside a bundle."""
    problem = handful.with_history(problem_of(TMaze(), np.eye(2)), 5)
    policies = policies_of(problem, Recurrent)
    files = bundle_files(release_of(problem, policies, np.array([0, 1])), False, ["stablehlo"])
    model = onnx.load_model_from_string(files["policies/0.onnx"])
    assert not {node.op_type for node in model.graph.node} & {"Loop", "Scan", "If"}
    bundle = handful.load(put(files, tmp_path / "bundle"))
    rows = np.random.default_rng(0).normal(size=(500, 15)).astype(np.float32)
    outputs = policies.on_host().outputs_of(1, rows)
    np.testing.assert_allclose(bundle.outputs(1, rows), outputs, atol=1e-5)
    again = jax.export.deserialize(bytearray(files["policies/1.stablehlo"]))
    np.testing.assert_allclose(again.call(rows)[0], outputs, atol=1e-5)


@pytest.mark.parametrize(("build", "size"), [(Image, 12), (Recurrent, 15)])
def test_c_computes_the_same_and_allocates_nothing(build, size, tmp_path):
    module = without_loops(build(jax.random.key(0), size, 4), size, "own")
    zeros, ones = np.zeros(size, np.float32), np.ones(size, np.float32)
    network = OwnNetwork("own", zeros, ones, 10.0, module, 4)
    actions = read_actions({"kind": "discrete", "num_actions": 4})
    source, library = tmp_path / "policy.c", tmp_path / "policy.so"
    source.write_bytes(c_file(network, actions))
    assert "malloc" not in source.read_text()
    flags = ["-std=c99", "-O1", "-shared", "-fPIC", "-ffp-contract=off"]
    subprocess.run(["cc", *flags, str(source), "-o", str(library), "-lm"], check=True)
    function = ctypes.CDLL(str(library)).policy_0
    rows = np.random.default_rng(0).normal(size=(100, size)).astype(np.float32)
    wanted = graphs.read_graph(onnx_file(network, actions), "")("outputs", rows)
    action, outputs = np.zeros(1, np.int64), np.zeros(4, np.float32)
    for row, one in zip(rows, wanted, strict=True):
        function(*(ctypes.c_void_p(a.ctypes.data) for a in (row.copy(), action, outputs)))
        np.testing.assert_allclose(outputs, one, atol=1e-6, rtol=1e-6)
        assert action[0] == outputs.argmax()


def test_loops_are_written_out_also_backwards_and_within_each_other():
    @jax.jit
    def nested(row):
        def outer(carry, x):
            inner, ys = jax.lax.scan(lambda c, y: (c + y, c * y), x, row, reverse=True)
            return carry * inner, (ys, carry)

        total, (stacked, before) = jax.lax.scan(outer, jnp.float32(1), row)
        return jnp.concatenate([total[None], stacked.ravel(), before])

    row = jnp.array([0.5, -2.0, 3.0])
    flat = without_loops(nested, 3, "nested")
    assert "scan" not in str(jax.make_jaxpr(flat)(row))
    np.testing.assert_allclose(flat(row), nested(row), rtol=1e-6)

    def long(row):
        return jax.lax.fori_loop(0, 50_000, lambda i, value: value * 0.5, row)

    with pytest.raises(HandfulError, match=r"more than 20,000 operations.*shorter window"):
        without_loops(long, 3, "long")


def parsed(data):
    about = read_metadata(data, "")
    return load(data), about


def network_of(module, size=3):
    return OwnNetwork("own", np.zeros(size), np.ones(size), np.inf, module, size)


def test_what_a_graph_cannot_hold_is_one_sentence():
    def patient(row):
        return jax.lax.while_loop(lambda v: v.sum() < 1, lambda v: v + 1, row)

    with pytest.raises(HandfulError, match=r"'own' cannot be written as ONNX"):
        network_graph(network_of(patient), None, 17)

    def outside(row):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(row.shape, row.dtype), row)

    with pytest.raises(HandfulError, match=r"'own' cannot be written as ONNX"):
        network_graph(network_of(outside), None, 17)
    with pytest.raises(HandfulError, match=r"computes other numbers than the network, by up to 1"):
        check_same(network_of(patient), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]]))


def graph(nodes, constants, size=4, claimed=None):
    """A graph from observations [N, 4] to outputs."""
    given = helper.make_tensor_value_info("observations", TensorProto.FLOAT, ["N", size])
    made = helper.make_tensor_value_info("outputs", TensorProto.FLOAT, claimed)
    tensors = [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()]
    body = helper.make_graph(nodes, "g", [given], [made], tensors)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)])


def test_a_graph_of_unknown_or_huge_arrays_is_refused():
    """Neither may a stranger's file lie about its sizes."""
    wide = graph(
        [
            helper.make_node("Add", ["a", "b"], ["big"]),
            helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
            helper.make_node("Add", ["observations", "sum"], ["outputs"]),
        ],
        {"a": np.zeros((40_000, 1), "f"), "b": np.zeros((1, 40_000), "f")},
    )
    wide.graph.value_info.append(helper.make_tensor_value_info("big", TensorProto.FLOAT, [1]))
    with pytest.raises(GraphError, match=r"1,600,000,000 numbers"):
        check_graph(wide)
    asked = graph(
        [
            helper.make_node("Cast", ["observations"], ["shape"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["shape", "flat"], ["wanted"]),
            helper.make_node("ConstantOfShape", ["wanted"], ["outputs"]),
        ],
        {"flat": np.array([4])},
        claimed=["N", 4],
    )
    with pytest.raises(GraphError, match="size does not follow"):
        check_graph(asked)
    small = graph(
        [helper.make_node("Add", ["observations", "a"], ["outputs"])], {"a": np.zeros(4, "f")}
    )
    assert check_graph(small) == 4


def test_a_graph_is_run_a_few_observations_at_a_time(image, monkeypatch):
    _, policies, files, _ = image
    rows = np.random.default_rng(1).normal(size=(10, policies.observation_size)).astype("f")
    found = graphs.read_graph(files["policies/0.onnx"], "")
    together = found("outputs", rows)
    monkeypatch.setattr(graphs, "MOST_NUMBERS", 3 * found.numbers)
    np.testing.assert_allclose(found("outputs", rows), together, atol=1e-6)
    assert found("outputs", rows[:0]).shape == (0, 4)


def test_a_plain_function_in_a_module_is_written_too():
    module = Wave(jax.random.key(0), 3, 3)
    model = network_graph(network_of(module), None, 17)
    assert "Sin" in {node.op_type for node in model.graph.node}
