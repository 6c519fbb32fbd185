"""Resource Gathering, learnt to a share of the provable optimum."""

import pytest

import handful


def test_two_policies_nearly_reach_the_optimum_of_a_small_grid():
    problem = handful.make("resource-gathering", height=3, width=3)
    result = handful.train(
        problem,
        num_policies=2,
        method="em",
        steps=50 * 1024,
        settings={
            "batch_size": 1024,
            "num_epochs": 6,
            "learning_rate": 3e-3,
            "final_learning_rate": 3e-4,
            "hidden_sizes": (32,),
        },
        method_settings={"warm_up": 10},
    )
    optimum = handful.optimum(problem, num_policies=2)
    assert 0.97 * optimum.welfare <= result.evaluation.welfare <= optimum.welfare + 1e-4


@pytest.mark.slow
def test_five_policies_serve_the_papers_grid_well():
    problem = handful.make("resource-gathering")
    result = handful.train(problem, num_policies=5, method="em", steps=300_000, preset="fast")
    assert result.evaluation.welfare >= 88.0
    optimum = handful.optimum(problem, num_policies=5)
    assert result.evaluation.welfare <= optimum.welfare + 1e-4


def test_remembered_episodes_lead_to_the_optimum_of_a_small_grid():
    """Exactly: nothing but imitation of the best episodes would end there."""
    problem = handful.make("resource-gathering", height=3, width=3)
    result = handful.train(
        problem,
        num_policies=2,
        method="auto",
        steps=60 * 1024,
        settings={"batch_size": 1024, "num_epochs": 4, "learning_rate": 3e-3},
        method_settings={"settling": 10, "imitating": 0.2, "archive_size": 300},
    )
    assert result.config.method == "elite-em"
    optimum = handful.optimum(problem, num_policies=2)
    assert result.evaluation.welfare == pytest.approx(optimum.welfare, abs=1e-3)
