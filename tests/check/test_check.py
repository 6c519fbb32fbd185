"""Every planted defect is found, by its name, and sound environments pass."""

import gymnasium
import pytest

import handful
from handful.check.findings import CHECKS, DEFECT, WARNING
from handful.errors import HandfulError
from tests import defective_environments as planted
from tests.host_environments import Track, track_problem

DEFECTS = [
    (planted.WrongShape, "observation-shape", DEFECT),
    (planted.WrongType, "observation-type", WARNING),
    (planted.OutOfBounds, "observation-bounds", DEFECT),
    (planted.NotANumber, "finite-observations", DEFECT),
    (planted.InfiniteReward, "finite-features", DEFECT),
    (planted.ReusedBuffer, "reused-observations", WARNING),
    (planted.GlobalChance, "deterministic", DEFECT),
    (planted.ClockChance, "deterministic", DEFECT),
    (planted.UserOfItsOwn, "same-dynamics", DEFECT),
    (planted.Leaks, "clean-reset", DEFECT),
    (planted.RepeatsItself, "fresh-chance", DEFECT),
    (planted.NeedsSeed, "api", DEFECT),
    (planted.HashChance, "process", DEFECT),
    (planted.EndsSoonerElsewhere, "process", DEFECT),
    (planted.Deaf, "actions-matter", WARNING),
    (planted.NeverEnds, "ends", DEFECT),
    (planted.SecretLimit, "ends", DEFECT),
    (planted.BrokenLimit, "time-limit", DEFECT),
    (planted.ClockTerminates, "truncation", DEFECT),
    (planted.StartsAnew, "final-observation", DEFECT),
    (planted.OldStep, "api", DEFECT),
    (planted.OldReset, "api", DEFECT),
    (planted.NumberForFlag, "api", DEFECT),
    (planted.NoInfo, "api", DEFECT),
    (planted.TextReward, "reward", DEFECT),
    (planted.GrowingReward, "reward", DEFECT),
    (planted.BreaksOnRight, "errors", DEFECT),
    (planted.TextActions, "made", DEFECT),
    (planted.Clock, "observation-digits", DEFECT),
    (planted.CoarseClock, "observation-digits", WARNING),
    (planted.WideObservations, "observation-range", WARNING),
    (planted.WideActions, "action-range", WARNING),
    (planted.UnboundedActions, "action-range", WARNING),
    (planted.Quits, "errors", DEFECT),
    (planted.NoReward, "reward", DEFECT),
    (planted.UnboundObservations, "made", DEFECT),
    (planted.FailsToStart, "made", DEFECT),
]

DEFECTIVE_FEATURES = [
    (planted.SometimesSilent, ("near",), "info", DEFECT),
    (planted.Sound, ("far",), "info", DEFECT),
    (planted.Twins, ("near", "twin"), "duplicate-features", WARNING),
    (planted.Giant, ("near", "giant"), "feature-scales", WARNING),
    (planted.Still, ("near", "still"), "constant-features", WARNING),
]


def found(result):
    return {(finding.check, finding.severity) for finding in result.findings}


@pytest.mark.parametrize(("make", "check", "severity"), DEFECTS)
def test_a_planted_defect_is_found_and_nothing_else(make, check, severity, monkeypatch):
    monkeypatch.setattr("handful.check.check.PATIENCE", 2_000)
    result = handful.check_env(make)
    assert found(result) == {(check, severity)}, result.findings
    assert result.passed == (severity == WARNING)


@pytest.mark.parametrize(("make", "features", "check", "severity"), DEFECTIVE_FEATURES)
def test_defects_of_features_are_found_and_nothing_else(make, features, check, severity):
    result = handful.check_env(make, features=features)
    assert found(result) == {(check, severity)}, result.findings


def test_there_are_tests_for_every_check_and_at_least_fifteen_kinds():
    kinds = {check for _, check, _ in DEFECTS} | {check for _, _, check, _ in DEFECTIVE_FEATURES}
    assert kinds == set(CHECKS)
    assert len(kinds) >= 15


@pytest.mark.parametrize("env", [planted.Sound, planted.limited, planted.Sound()])
def test_a_sound_environment_has_nothing_to_mend(env):
    result = handful.check_env(env)
    assert not result.findings
    assert set(result.looked_at) == set(CHECKS)
    assert result.feature_names == ("reward",)


def test_ranges_that_are_asked_for_leave_nothing_to_mend():
    narrow = handful.check_env(planted.WideActions, action_range=[0, 40])
    assert not narrow.findings, narrow.findings
    shifted = handful.check_env(planted.Clock, observation_offset={"1": 1.7e9})
    assert not shifted.findings, shifted.findings


def test_wide_actions_are_told_with_what_a_part_of_the_range_does():
    (finding,) = handful.check_env(planted.WideActions).findings
    assert "0 to 3,200" in finding.message
    assert "(0 to 32) make the feature 'reward'" in finding.message
    assert "action_range=[LOW, HIGH]" in finding.message


def gain_and_reward(observation, action, next_observation, reward, info):
    return [next_observation[0] - observation[0], reward]


def test_features_of_a_function_are_named_as_in_training():
    result = handful.check_env(
        planted.Sound, features=gain_and_reward, feature_names=["gain", "position"]
    )
    assert result.passed
    assert result.feature_names == ("gain", "position")


def test_what_only_this_process_can_make_is_told():
    result = handful.check_env(lambda: planted.Sound())
    assert found(result) == {("process", WARNING)}
    assert result.passed


def test_a_time_limit_that_is_given_mends_its_lack():
    assert not handful.check_env(planted.NeverEnds, time_limit=40).findings


def test_an_environment_that_starts_slowly_is_stepped_all_the_same(monkeypatch):
    monkeypatch.setattr("handful.check.check.SECONDS", 0.05)
    result = handful.check_env(planted.SlowStart)
    assert result.passed, result.findings
    assert result.steps == 1


def test_nothing_is_said_of_what_could_not_be_looked_at():
    result = handful.check_env(planted.OldStep)
    assert "deterministic" not in result.looked_at
    assert "api" in result.looked_at


SHIPPED = [
    name
    for name, spec in gymnasium.registry.items()
    if str(spec.entry_point).startswith(("gymnasium.envs.classic_control", "gymnasium.envs.toy"))
    and name != "CartPole-v0"  # the same as v1, and out of date
]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_with_gymnasium_passes(name):
    result = handful.check_env(name)
    assert result.passed, result.findings
    assert set(result.looked_at) == set(CHECKS)


def test_the_list_of_what_ships_is_whole():
    families = {name.partition("-")[0] for name in SHIPPED}
    assert {"CartPole", "MountainCar", "Pendulum", "Acrobot", "Blackjack", "Taxi"} <= families
    assert {"FrozenLake", "CliffWalking", "MountainCarContinuous"} <= families


@pytest.mark.parametrize(
    "env", ["resource-gathering", track_problem(), Track(), "mo-gymnasium:four-room-v0"]
)
def test_problems_of_other_kinds_are_checked_the_same_way(env, allow_rank_promotion):
    result = handful.check_env(env)
    assert result.passed, result.findings


def test_an_environment_that_nobody_knows_is_bad_input():
    with pytest.raises(HandfulError, match="doesn't exist"):
        handful.check_env("CartPool-v1")
    with pytest.raises(HandfulError, match=r"'nowhere' cannot be imported"):
        handful.check_env("nowhere:Env-v0")
    with pytest.raises(HandfulError, match="not as int"):
        handful.check_env(3)
    with pytest.raises(HandfulError, match="time_limit must be"):
        handful.check_env("CartPole-v1", time_limit=0)
