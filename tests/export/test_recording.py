"""What is recorded of policies, with their simulator and without it."""

import json

import numpy as np
import pytest
from gymnasium import spaces

import handful
from handful.deploy import verify
from handful.envs.gym.environment import GymnasiumEnvironment
from handful.export.bundle import bundle_files
from handful.export.recording import DRAWN, PLAYED, copies_of, record
from tests.bundles import nested_problem, put, random_policies, release_of

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")


def test_ranges_are_those_of_all_observations_of_the_played_episodes():
    problem = nested_problem(None, spaces.Box(-1.0, 1.0, (3,)))
    found = record(problem, random_policies(problem, 2), seed=0)
    assert found.source == PLAYED
    assert found.num_observations == 2 * copies_of(problem, 5) * 5
    everything = np.concatenate(found.observations)
    np.testing.assert_array_equal(found.low, everything.min(axis=0))
    np.testing.assert_array_equal(found.high, everything.max(axis=0))
    again = record(problem, random_policies(problem, 2), seed=0)
    np.testing.assert_array_equal(again.low, found.low)


def test_without_the_simulator_observations_are_drawn_from_training(monkeypatch, tmp_path):
    problem = nested_problem(None, spaces.Box(-1.0, 1.0, (3,)))
    policies = random_policies(problem, 2)

    def missing(self):
        raise handful.HandfulError("The simulator is not installed.")

    monkeypatch.setattr(GymnasiumEnvironment, "check_installed", missing, raising=False)
    files = bundle_files(release_of(problem, policies, [0, 1, 0]), False)
    seen = json.loads(files["interface.json"])["observation"]["seen"]
    assert (seen["source"], seen["observations"]) == (DRAWN, 0)
    mean = np.asarray(policies.normalizer.mean, float)
    spread = np.sqrt(np.asarray(policies.normalizer.variance, float))
    np.testing.assert_allclose(seen["low"], (mean - 3 * spread).min(axis=0))
    np.testing.assert_allclose(seen["high"], (mean + 3 * spread).max(axis=0))
    assert verify(put(files, tmp_path / "bundle")).formats[0].num_vectors == 512
