import pytest
import yaml

GOOD = {
    "tasks": ["resource-gathering"],
    "methods": ["em", "random"],
    "policies": [1, 3],
    "seeds": [0, 1, 2],
    "steps": 4096,
    "out": "runs",
    "results": "results",
}


@pytest.fixture
def study_file(tmp_path):
    def write(**changes):
        values = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write
