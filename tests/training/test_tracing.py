"""Methods and learners that give something else than they should: one sentence each."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.domains.tabular.problem import tabular_problem
from handful.environment import Discrete
from handful.errors import HandfulError
from handful.learner import PPO, Counting, Learner
from handful.learner.base import Improvement, LearnerState
from handful.learner.networks import Sharing, init_actor, init_critic
from handful.learner.normalize import Normalizer
from handful.methods import METHODS, AssignmentMethod
from handful.training.preflight import check_method, check_run
from handful.training.run import Run
from handful.training.tracing import trace_learner
from tests.environments import ContextualBandit, Push, problem_of
from tests.training.helpers import TINY, config_of


class OneHot(AssignmentMethod):
    """A sound method, as those below are not."""

    def init(self, key, num_users, num_policies):
        return jnp.eye(num_users, num_policies)

    def weights(self, state):
        return state


class FloatsForPolicies(OneHot):
    def weights(self, state):
        return jnp.argmax(state, axis=1).astype(jnp.float32)


class TooFewPolicies(OneHot):
    def training_weights(self, state):
        return state[:, 1:]


class NoArray(OneHot):
    def weights(self, state):
        return {"policy": state}


class Grows(OneHot):
    def reassign(self, key, state, feedback):
        return jnp.argmax(feedback.returns, axis=1)


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (FloatsForPolicies, r"weights that gives one array float32\[3\]: it must give each user's"),
        (TooFewPolicies, r"training_weights that gives one array float32\[3, 1\].*shape \[3, 2\]"),
        (NoArray, r"weights that gives \['policy'\] float32\[3, 2\]: it must give"),
        (Grows, r"reassign that .* than its init: one array int32\[3\], not .* float32\[3, 2\]"),
    ],
)
def test_methods_that_give_something_else_than_they_should_are_refused(
    monkeypatch, method, sentence
):
    problem = problem_of(ContextualBandit(3), np.eye(3))
    monkeypatch.setitem(METHODS, "mine", OneHot)
    check_method(Run(problem, config_of(2, "mine")))
    monkeypatch.setitem(METHODS, "mine", method)
    with pytest.raises(HandfulError, match=f"{method.__name__} has a function {sentence}"):
        check_method(Run(problem, config_of(2, "mine")))


class Counts(LearnerState):
    """A learner's state with a number for each policy besides."""

    updates: jax.Array


@dataclasses.dataclass(frozen=True)
class Still(Learner):
    """A sound learner that changes nothing but its count of updates, as those below are not."""

    def init(self, key, problem, num_policies, parameters):
        size = problem.environment.observation_size
        actions = problem.environment.action_space
        alone = Sharing.NOTHING
        return Counts(
            init_actor(key, num_policies, size, actions, (), alone),
            init_critic(key, num_policies, size, problem.num_features, (), alone),
            Normalizer.identity(num_policies, size),
            jnp.zeros(num_policies),
        )

    def improve(self, key, state, batch, objective, progress, pace, problem, mesh):
        assert isinstance(key, jax.core.Tracer), "nothing is run"
        wanted = objective.mix.weights  # [K, D], like the features
        reward = jnp.einsum("ktbd,kd->k", batch.features, wanted)
        return Improvement(
            eqx.tree_at(lambda s: s.updates, state, state.updates + 1.0),
            objective.parameters,
            {"reward": reward, "pace": pace * progress},
            jnp.isfinite(reward),
        )


class NoState(Still):
    def init(self, key, problem, num_policies, parameters):
        return {"weights": jnp.zeros(num_policies)}


class OnePolicyForAll(Still):
    def init(self, key, problem, num_policies, parameters):
        return super().init(key, problem, 1, parameters)


class OneActionTooMany(Still):
    def init(self, key, problem, num_policies, parameters):
        state = super().init(key, problem, num_policies, parameters)
        size, alone = problem.environment.observation_size, Sharing.NOTHING
        actor = init_actor(key, num_policies, size, Discrete(4), (), alone)
        return eqx.tree_at(lambda s: s.actor, state, actor)


class Begins(Still):
    def begin(self, state, observations):
        return state.networks


class Sees(Still):
    def observe(self, state, batch):
        return eqx.tree_at(lambda s: s.updates, state, batch.log_probs)


class Improves(Still):
    """A learner whose update is changed in one thing or another."""

    def improve(self, *args, **kwargs):
        return self.change(super().improve(*args, **kwargs))


class NoImprovement(Improves):
    def change(self, improved):
        return improved.state


class ForgetsItsCount(Improves):
    def change(self, improved):
        state = improved.state
        return improved._replace(state=LearnerState(state.actor, state.critic, state.normalizer))


class DropsALayer(Improves):
    def change(self, improved):
        state = eqx.tree_at(lambda s: s.critic.head.bias, improved.state, None)
        return improved._replace(state=state)


class ActsAtRandom(Improves):
    def change(self, improved):
        actor = dataclasses.replace(improved.state.actor, random_actions=0.5)
        return improved._replace(state=eqx.tree_at(lambda s: s.actor, improved.state, actor))


class OtherParameters(Improves):
    def change(self, improved):
        return improved._replace(parameters=jnp.zeros(2))


class MetricOfEveryUser(Improves):
    def change(self, improved):
        return improved._replace(metrics={"loss": jnp.zeros((3, 2))})


class MetricYesOrNo(Improves):
    def change(self, improved):
        return improved._replace(metrics={"done": improved.is_finite})


class ListOfMetrics(Improves):
    def change(self, improved):
        return improved._replace(metrics=[jnp.zeros(())])


class FiniteInAll(Improves):
    def change(self, improved):
        return improved._replace(is_finite=jnp.all(improved.is_finite))


class FiniteInNumbers(Improves):
    def change(self, improved):
        return improved._replace(is_finite=improved.is_finite.astype(jnp.float32))


class StartsAnewWithoutCount(Still):
    def restart(self, fresh, before):
        return fresh.networks


class RenewsTheActor(Still):
    def renew(self, networks, state, mixes, problem):
        return networks.actor


class ReturnsOfUsers(Still):
    knows_returns: ClassVar[bool] = True

    def returns(self, state, actor, problem, discount):
        return jnp.zeros((2, 5))


class OptimismOfUsers(Still):
    knows_optimism: ClassVar[bool] = True

    def optimism(self, state, batch, problem):
        return jnp.zeros((2, 5))


STATE = "an object of the class Counts"


@pytest.mark.parametrize(
    ("learner", "sentence"),
    [
        (NoState, "init that gives an object of the class dict: it must give an object of Learner"),
        (
            OnePolicyForAll,
            r"init that gives float32\[1, 3, 3\] at .actor.stack.head.weight: the first axis of .* "
            r"of which the budget has 2",
        ),
        (OneActionTooMany, r"are .logits float32\[2, 8, 4\] for 8 .* logits of shape \[2, 8, 3\]"),
        (Begins, f"begin .* got: an object of the class Networks, not {STATE}"),
        (Sees, r"observe .* got: float32\[2, 32, 8\] at .updates, not float32\[2\]"),
        (NoImprovement, f"improve that gives {STATE}: it must give an Improvement"),
        (ForgetsItsCount, f"improve .* got: an object of the class LearnerState, not {STATE}"),
        (DropsALayer, r"improve .* got: nothing at .critic.head.bias, not float32\[2, 1, 3\]"),
        (ActsAtRandom, "improve .* got: its fields that are no arrays are not the same"),
        (OtherParameters, "improve that gives parameters of the assignment of another kind"),
        (MetricOfEveryUser, r"the metric 'loss' as one array float32\[3, 2\]: .* of shape \[2\]"),
        (MetricYesOrNo, r"the metric 'done' as one array bool\[2\]: it must be one number"),
        (ListOfMetrics, "an object of the class list for the metrics: it must give a dictionary"),
        (FiniteInAll, r"is_finite as one array bool\[\]: it must say of each policy .* bool\[2\]"),
        (FiniteInNumbers, r"is_finite as one array float32\[2\]"),
        (StartsAnewWithoutCount, f"restart .* object of the class Networks, not {STATE}"),
        (RenewsTheActor, "renew that gives policies .* class Actor, not .* class Networks"),
        (ReturnsOfUsers, r"returns that gives one array float32\[2, 5\]: .* shape \[2, 3\]"),
        (OptimismOfUsers, r"optimism that gives one array float32\[2, 5\]: .* shape \[2, 3\]"),
    ],
)
def test_learners_that_give_something_else_than_they_should_are_refused(learner, sentence):
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = dataclasses.replace(config_of(2), learner=learner())
    sentence = f"The learner {learner.__name__} has a function .*{sentence}"
    with pytest.raises(HandfulError, match=sentence):
        trace_learner(Run(problem, config))


class Quits(Still):
    def improve(self, *args, **kwargs):
        raise SystemExit(0)


class Fails(Still):
    def observe(self, state, batch):
        return state.updates / batch.of_nothing


def test_a_learner_that_fails_fails_before_training():
    """Its author gets the traceback of an error, and one sentence where the program would end."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    quits, fails = (dataclasses.replace(config_of(2), learner=one()) for one in (Quits, Fails))
    with pytest.raises(HandfulError, match="The learner Quits failed with SystemExit: 0"):
        check_run(Run(problem, quits))
    with pytest.raises(AttributeError, match="of_nothing"):
        check_run(Run(problem, fails))


def test_a_wrong_learner_is_told_before_a_folder_is_made(tmp_path):
    problem = problem_of(ContextualBandit(3), np.eye(3))
    collect = {name: TINY[name] for name in ("num_envs", "batch_size")}
    with pytest.raises(HandfulError, match="FiniteInAll has a function improve"):
        handful.train(problem, 2, learner=FiniteInAll(), settings=collect, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def numbered_states():
    return tabular_problem(np.zeros((3, 2, 3)), np.ones((2, 3, 2)))


@pytest.mark.parametrize(
    ("problem", "learner"),
    [
        (problem_of(ContextualBandit(3), np.eye(3)), Still()),
        (problem_of(Push(), np.eye(1)), Still()),
        (problem_of(ContextualBandit(3), np.eye(3)), PPO(minibatch_size=64)),
        (problem_of(Push(), np.eye(1)), PPO(minibatch_size=64, family=True)),
        (numbered_states(), Counting()),
    ],
    ids=["still", "still continuous", "ppo", "family continuous", "counting"],
)
@pytest.mark.parametrize("method", ["random", "end-to-end", "em"])
def test_sound_learners_pass(problem, learner, method):
    trace_learner(Run(problem, dataclasses.replace(config_of(2, method), learner=learner)))
