import numpy as np

import handful
from handful.learner.networks import Sharing
from handful.methods import make_method
from handful.methods.planned_em import PlannedEM
from handful.training.config import make_config


def test_it_is_planned_em_of_a_family_that_goes_slowly_and_keeps_its_footing():
    method = make_method("family-em")
    assert isinstance(method, PlannedEM)
    assert method.leading > PlannedEM().leading
    assert method.footing > PlannedEM().footing
    assert method.width < PlannedEM().width
    config = make_config(handful.make("glide", users=4), 2, "family-em", "fast")
    assert config.learner.sharing is Sharing.FAMILY
    assert make_config(handful.make("glide", users=4), 2, "em", "fast").learner.family is False


def test_members_of_a_family_reach_outcomes_far_apart():
    """Everybody begins at rest, and users want any speed."""
    problem = handful.make("glide", targets=np.arange(0.0, 3.3, 0.1).tolist())
    result = handful.train(problem, 2, "family-em", steps=30 * 2048, seed=1, preset="fast")
    assert result.evaluation.welfare > 0.85 * handful.optimum(problem, num_policies=2).welfare
    assert result.policies.actor.stack.head.weight.ndim == 2  # one for all
