import pytest

from handful.errors import HandfulError
from handful.learner import PPO, Counting
from handful.learner.networks import Sharing

NAN = float("nan")


def test_defaults_are_the_papers():
    settings = PPO()
    assert (settings.learning_rate, settings.final_learning_rate) == (3e-4, 1e-4)
    assert (settings.entropy_coefficient, settings.gae_lambda, settings.clip_range) == (
        1e-3,
        0.95,
        0.2,
    )
    assert (settings.minibatch_size, settings.num_epochs) == (64, 10)
    assert set(settings.hidden_sizes) == {64}
    assert settings.adam_epsilon == 1e-5
    assert settings.share_hidden
    assert settings.normalize_observations


@pytest.mark.parametrize(("share_hidden", "alone"), [(True, "HIDDEN"), (False, "NOTHING")])
def test_a_family_is_one_whatever_else_is_shared(share_hidden, alone):
    settings = PPO(share_hidden=share_hidden)
    assert settings.sharing is settings.critic_sharing is Sharing[alone]
    assert settings.shares_layers is share_hidden
    family = PPO(share_hidden=share_hidden, family=True)
    assert (family.sharing, family.critic_sharing) == (Sharing.FAMILY, Sharing.NOTHING)
    assert family.shares_layers


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_epochs": -1}, "num_epochs must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": NAN}, "learning_rate must be finite, not nan"),
        ({"final_learning_rate": -1e-4}, "final_learning_rate must be 0 or more"),
        ({"mix_weight": -1.0}, "mix_weight must be 0 or more"),
        ({"entropy_coefficient": NAN}, "entropy_coefficient must be finite"),
        ({"discount": 0.0}, "discount must be above 0 and at most 1, not 0.0"),
        ({"discount": NAN}, "discount must be finite"),
        ({"initial_log_std": NAN}, "initial_log_std must be finite, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be finite, not inf"),
        ({"gae_lambda": 1.5}, "gae_lambda must be between 0 and 1"),
        ({"clip_range": 0.0}, "clip_range must be positive"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be positive"),
        ({"random_actions": 1.0}, "random_actions must be at least 0 and below 1"),
        ({"hidden_sizes": (64, 0)}, "hidden_sizes must be a list of widths of at least 1"),
        ({"family": True, "hidden_sizes": ()}, "give hidden_sizes at least one width"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, sentence):
    with pytest.raises(HandfulError, match=sentence):
        PPO(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"gae_lambda": 0.0},
        {"gae_lambda": 1.0},
        {"discount": 1.0},
        {"entropy_coefficient": 0.0},
        {"final_entropy_coefficient": 0.0},
        {"final_learning_rate": 0.0},
        {"mix_weight": 0.0},
        {"random_actions": 0.0},
        {"num_epochs": 1},
        {"minibatch_size": 1},
    ],
    ids=str,
)
def test_numbers_at_the_end_of_their_range_are_taken(changes):
    settings = PPO(**changes)
    assert {name: getattr(settings, name) for name in changes} == changes


def test_a_batch_is_cut_into_equal_minibatches():
    PPO(minibatch_size=64).check_batch(256)
    with pytest.raises(HandfulError, match=r"\(100\) must be a multiple of minibatch_size \(64\)"):
        PPO(minibatch_size=64).check_batch(100)
    Counting().check_batch(7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"temperature": -1.0}, "temperature must be 0 or more"),
        ({"final_temperature": NAN}, "final_temperature must be finite"),
        ({"planning_steps": 0}, "planning_steps must be from 1 to"),
        ({"discount": 1.5}, "discount must be above 0"),
        ({"random_actions": -0.1}, "random_actions must be at least 0"),
    ],
)
def test_numbers_of_a_learner_that_counts_out_of_range_are_refused(changes, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Counting(**changes)
