import dataclasses

import pytest

from handful.errors import HandfulError
from handful.learner.config import PRESETS, PPOConfig, preset
from handful.learner.networks import Sharing

NAN = float("nan")


def test_defaults_are_the_papers():
    config = preset("paper")
    assert config == PPOConfig()
    assert (config.learning_rate, config.final_learning_rate) == (3e-4, 1e-4)
    assert (config.entropy_coefficient, config.gae_lambda, config.clip_range) == (1e-3, 0.95, 0.2)
    assert (config.batch_size, config.minibatch_size, config.num_epochs) == (2048, 64, 10)
    assert set(config.hidden_sizes) == {64}
    assert config.adam_epsilon == 1e-5
    assert config.share_hidden
    assert config.normalize_observations


@pytest.mark.parametrize(
    ("name", "steps", "minibatches"), [("paper", 64, 32), ("fast", 32, 16)], ids=str
)
def test_every_preset_divides_its_batch_evenly(name, steps, minibatches):
    """By hand: 2048 transitions of 32 or 64 environments, in minibatches of 64 or 128."""
    assert set(PRESETS) == {"paper", "fast"}
    config = PRESETS[name]
    assert (config.num_steps, config.num_minibatches) == (steps, minibatches)
    for field in ("num_envs", "minibatch_size"):
        with pytest.raises(HandfulError, match=rf"must be a multiple of {field} \(48\)"):
            preset(name, **{field: 48})


def test_preset_can_be_changed_in_part():
    changed = preset("paper", num_epochs=3, hidden_sizes=(8,))
    assert changed == dataclasses.replace(PPOConfig(), num_epochs=3, hidden_sizes=(8,))


def test_a_family_is_one_whatever_else_is_shared():
    assert preset("paper").sharing is Sharing.HIDDEN
    assert preset("fast").sharing is Sharing.NOTHING
    for name in PRESETS:
        family = preset(name, family=True)
        assert (family.sharing, family.critic_sharing) == (Sharing.FAMILY, Sharing.NOTHING)
        assert PRESETS[name].critic_sharing is PRESETS[name].sharing


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_envs": 0}, "num_envs must be at least 1"),
        ({"short_episodes": 0}, "short_episodes must be at least 1, or None, not 0"),
        ({"short_episodes": 9, "num_envs": 1}, "half of the environments: give num_envs at least"),
        ({"num_epochs": -1}, "num_epochs must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": NAN}, "learning_rate must be finite, not nan"),
        ({"final_learning_rate": -1e-4}, "final_learning_rate must be 0 or more"),
        ({"entropy_coefficient": NAN}, "entropy_coefficient must be finite"),
        ({"discount": 0.0}, "discount must be above 0 and at most 1, not 0.0"),
        ({"discount": NAN}, "discount must be finite"),
        ({"initial_log_std": NAN}, "initial_log_std must be finite, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be finite, not inf"),
        ({"gae_lambda": 1.5}, "gae_lambda must be between 0 and 1"),
        ({"clip_range": 0.0}, "clip_range must be positive"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be positive"),
        ({"hidden_sizes": (64, 0)}, "hidden_sizes must be a list of widths of at least 1"),
        ({"batch_size": 100, "num_envs": 32}, r"batch_size \(100\) must be a multiple of num_envs"),
        ({"minibatch_size": 60}, r"must be a multiple of minibatch_size \(60\)"),
        ({"family": True, "hidden_sizes": ()}, "give hidden_sizes at least one width"),
        ({"epochs": 3}, "no setting named 'epochs'"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, sentence):
    with pytest.raises(HandfulError, match=sentence):
        preset("paper", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"gae_lambda": 0.0},
        {"gae_lambda": 1.0},
        {"discount": 1.0},
        {"entropy_coefficient": 0.0},
        {"final_entropy_coefficient": 0.0},
        {"final_learning_rate": 0.0},
        {"random_actions": 0.0},
        {"num_epochs": 1},
        {"batch_size": 64, "minibatch_size": 64, "num_envs": 64},
        {"short_episodes": 1, "num_envs": 2},
    ],
    ids=str,
)
def test_numbers_at_the_end_of_their_range_are_taken(changes):
    config = preset("paper", **changes)
    assert {name: getattr(config, name) for name in changes} == changes


def test_unknown_preset_is_refused():
    with pytest.raises(HandfulError, match=r"no preset named 'quick'.*paper.*fast"):
        preset("quick")
