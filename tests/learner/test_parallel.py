import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from handful.learner.parallel import core_mesh, replicate, side_by_side
from handful.problem import make
from handful.training.records.checkpoint import save_state
from handful.training.run import Run
from handful.training.state import init_state
from tests.training.helpers import config_of, step_of

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys
from pathlib import Path
from tests.learner.test_parallel import save_states

save_states(Path(sys.argv[1]), 2)
"""


def save_states(folder, num_devices):
    """Keep the states after three updates by two methods, on all devices of this process."""
    mesh = core_mesh()
    assert len(jax.devices()) == num_devices
    assert (mesh is None) == (num_devices == 1)
    problem = make("resource-gathering", height=2, width=2)
    for method in ("em", "end-to-end"):
        config = config_of(2, method)
        state = replicate(init_state(Run(problem, config)), mesh)
        step = step_of(problem, config, mesh)
        for _ in range(3):
            state, _ = step(state)
        save_state(folder / method, state)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    root = tmp_path_factory.mktemp("devices")
    for number in ("1", "2"):
        (root / number).mkdir()
    save_states(root / "1", 1)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root / "2")],
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "2", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return root


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [
        ("em", 0.0),
        # The softmax's gradient is fused differently there: it may differ in the last bit.
        ("end-to-end", 1e-6),
    ],
)
def test_two_devices_give_the_same_state_as_one(states, method, tolerance):
    one, two = (load_file(states / number / method) for number in ("1", "2"))
    assert one.keys() == two.keys()
    for name, values in one.items():
        np.testing.assert_allclose(values, two[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_without_a_mesh_both_run_one_after_the_other():
    first, second = side_by_side(jnp.sum, lambda x: -x, jnp.arange(4), jnp.ones(2), None)
    assert first == 6
    np.testing.assert_array_equal(second, [-1.0, -1.0])
