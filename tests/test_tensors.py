import numpy as np
import pytest

from handful.errors import HandfulError
from handful.tensors import read_tensors, write_tensors


def test_arrays_come_back_by_name_whatever_their_order_in_memory(tmp_path):
    path = tmp_path / "some.safetensors"
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays = {"table": table, "turned": table.T, "flags": np.array([True, False])}
    write_tensors(path, arrays, {"of": "a test"})
    found, about = read_tensors(path, "The file")
    assert about == {"of": "a test"}
    assert found.keys() == {"table", "turned", "flags"}
    np.testing.assert_array_equal(found["turned"], table.T)
    np.testing.assert_array_equal(found["flags"], [True, False])
    assert found["table"].dtype == np.float32


def test_others_may_read_the_file_as_they_may_read_any(tmp_path):
    path, plain = tmp_path / "some.safetensors", tmp_path / "plain"
    write_tensors(path, {"one": np.zeros(1)}, {})
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_file_that_is_damaged_or_missing_is_told(tmp_path):
    path = tmp_path / "some.safetensors"
    with pytest.raises(HandfulError, match="cannot be read"):
        read_tensors(path, "The file")
    path.write_bytes(b"no arrays")
    with pytest.raises(HandfulError, match="cannot be read"):
        read_tensors(path, "The file")
