import jax.numpy as jnp
import numpy as np
import pytest

from handful.errors import HandfulError
from handful.methods.schedule import (
    Package,
    RateRound,
    Schedule,
    check_packages,
    warm_up_within,
)


def progress_of(schedule):
    return [float(schedule.progress(jnp.asarray(i))) for i in range(schedule.num_updates)]


def test_rates_fall_once_from_the_first_update_to_the_last():
    np.testing.assert_allclose(progress_of(Schedule(5)), [0.0, 0.25, 0.5, 0.75, 1.0])
    assert progress_of(Schedule(1)) == [0.0]


def test_rates_fall_anew_in_every_round_from_where_it_says():
    schedule = Schedule(8, rate_rounds=(RateRound(3), RateRound(5, 0.4)))
    expected = [0.0, 0.5, 1.0, 0.0, 1.0, 0.4, 0.7, 1.0]
    np.testing.assert_allclose(progress_of(schedule), expected, rtol=1e-6)


@pytest.mark.parametrize("updates", [(5, 5), (6, 2), (-1,), (10,)])
@pytest.mark.parametrize("name", ["interventions", "rate_rounds"])
def test_updates_that_are_not_in_order_or_not_in_the_run_are_refused(name, updates):
    given = updates if name == "interventions" else tuple(map(RateRound, updates))
    with pytest.raises(HandfulError, match=rf"{name} .* must ascend and lie from 0 to 9"):
        Schedule(10, **{name: given})


def test_a_warm_up_leaves_the_rest_of_a_run_to_what_follows():
    assert warm_up_within(100, "warm_up", 15) == ("warm_up", 15, 15)
    short = warm_up_within(14, "warm_up", 15)
    assert short.updates == 7
    assert short.is_cut


def test_a_package_that_is_missing_is_named_with_what_installs_it():
    there = Package("json", "JSON", "pip install json")
    missing = Package("no_such_package.part", "Nothing", "pip install nothing")
    check_packages("mine", Schedule(10, packages=(there,)))
    with pytest.raises(
        HandfulError, match=r"^The method 'mine' needs Nothing: pip install nothing"
    ):
        check_packages("mine", Schedule(10, packages=(there, missing)))
