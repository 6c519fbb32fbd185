"""Problems and tasks with Gymnasium environments, from the request to a trained run."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.domains.highway import FEATURES, sample_drivers
from handful.envs.gym.problem import sample_weights
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.records.run_reader import open_run
from tests.envs.gym.test_environment import by_batch, by_hand, random_actions
from tests.gym_environments import Counter, Vectorial

QUICK = {"batch_size": 128, "minibatch_size": 64, "num_epochs": 4, "hidden_sizes": (16,)}


def test_weights_in_a_table_are_users_and_the_rewards_theirs():
    problem = handful.from_gymnasium(Vectorial, [[1, 0], [0.5, -2]], time_limit=9)
    assert problem.num_users == 2
    assert problem.environment.feature_names == ("reward_0", "reward_1")
    rewards = problem.population.rewards(jnp.array([3.0, 0.25]))
    np.testing.assert_allclose(rewards, [3.0, 1.0])


def test_users_may_be_a_table_with_a_column_a_feature(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user,clinic,reward_1,reward_0\nann,north,2,1\nbob,south,0,-1\n")
    by_object = handful.from_gymnasium(Vectorial, path, time_limit=9)
    name = "gymnasium:tests.gym_environments:Vectorial"
    by_name = handful.make(name, population=str(path), time_limit=9)
    for problem in (by_object, by_name):
        population = problem.population
        np.testing.assert_array_equal(population.coefficients, [[1, 2], [-1, 0]])
        assert population.user_ids == ("ann", "bob")
        assert population.attributes["clinic"].tolist() == ["north", "south"]
    path.write_text("user,reward_0\nann,1\n")
    with pytest.raises(HandfulError, match="no column 'reward_1'"):
        handful.from_gymnasium(Vectorial, path, time_limit=9)


def test_without_users_there_are_a_hundred_random_ones():
    problem = handful.from_gymnasium(Vectorial, time_limit=9)
    weights = problem.population.coefficients
    assert weights.shape == (100, 2)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    assert (weights >= 0).all()


def test_the_return_scale_is_what_random_episodes_return():
    problem = handful.from_gymnasium("CartPole-v1", [[2.0]], discount=1.0)
    lengths = problem.environment.probe.lengths
    expected = np.sqrt(np.mean((2.0 * lengths) ** 2))
    assert problem.return_scale == pytest.approx(expected)
    assert lengths.sum() == 100


def test_users_must_weigh_every_feature():
    with pytest.raises(HandfulError, match=r"weigh 3 features, .* has 2 \(reward_0, reward_1\)"):
        handful.from_gymnasium(Vectorial, [[1, 2, 3]], time_limit=9)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("gymnasium:tests.gym_environments:Vectorial", ("reward_0", "reward_1")),
        ("highway", FEATURES),
    ],
)
def test_users_of_a_task_by_name_weigh_features_by_name(name, features):
    limit = {"time_limit": 9} if name != "highway" else {"vehicles": 1, "duration": 2}
    weights = np.eye(len(features)).tolist()
    user_ids = [f"likes-{feature}" for feature in features]
    population = handful.make(name, weights=weights, user_ids=user_ids, **limit).population
    assert population.feature_names == features
    assert population.user_ids == tuple(user_ids)
    assert handful.make(name, users=3, **limit).population.feature_names == features
    with pytest.raises(HandfulError, match=rf"weigh 1 features, .* has {len(features)} \("):
        handful.make(name, weights=[[1.0]], **limit)


def test_dirichlet_users_are_the_seeds_and_near_the_corners_where_asked():
    np.testing.assert_array_equal(sample_weights(5, 3, 7), sample_weights(5, 3, 7))
    assert not np.array_equal(sample_weights(5, 3, 7), sample_weights(5, 3, 8))
    narrow, wide = (sample_weights(500, 3, 0, c).max(axis=1).mean() for c in (0.1, 10.0))
    assert narrow > 0.85
    assert wide < 0.5
    for wrong, sentence in (
        ((0, 3, 0), "one user"),
        ((1, 3, -1), "seed"),
        ((1, 3, 0, 0.0), "conc"),
    ):
        with pytest.raises(HandfulError, match=sentence):
            sample_weights(*wrong)


def test_policies_act_in_the_environments_own_terms():
    problem = handful.from_gymnasium("Pendulum-v1")
    np.testing.assert_allclose(problem.environment.decode([0.5]), [1.0])
    dictionary = gymnasium.spaces.Dict({"x": gymnasium.spaces.Discrete(2)})
    assert dictionary.contains({"x": np.int64(1)})


def test_a_task_by_name_trains_and_its_folder_makes_it_again(tmp_path):
    name, parameters = "mo-gymnasium:deep-sea-treasure-v0", {"users": 6, "population_seed": 3}
    problem = handful.make(name, **parameters)
    folder = RunFolder(tmp_path / "run")
    result = handful.train(problem, 2, steps=256, settings=QUICK, out=folder.path)
    assert np.isfinite(result.evaluation.welfare)
    again = open_run(folder.path)[1].problem
    assert again.name == name
    np.testing.assert_array_equal(again.population.coefficients, problem.population.coefficients)
    assert again.return_scale == problem.return_scale


def test_two_users_who_want_opposite_things_get_a_policy_each():
    """The counter's reward is its action, -1 to 1, over 7 steps."""
    problem = handful.from_gymnasium(Counter, [[1.0], [-1.0]], time_limit=9)
    settings = {**QUICK, "learning_rate": 3e-3}
    result = handful.train(
        problem,
        2,
        "em",
        steps=40 * 128,
        settings=settings,
        method_settings={"warm_up": 5},
        seed=100,
    )
    assert sorted(result.assignment) == [0, 1]
    assert result.evaluation.welfare == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("gymnasium", {}, "asked for as gymnasium:ENV-ID"),
        ("gymnasium:", {}, "asked for as gymnasium:ENV-ID"),
        ("glide:fast", {}, "There is no task named 'glide:fast'"),
        ("gymnasium:CartPole-v1", {"colour": 1}, "has no parameter 'colour'"),
        ("gymnasium:CartPole-v1", {"options": 1}, "options must be a mapping like"),
        ("mo-gymnasium:CartPole-v1", {"registry": "nowhere"}, "'nowhere' cannot be imported"),
        ("gymnasium:CartPole-v1", {"users": 0}, "at least one user"),
        ("mo-gymnasium:fishwood-v0", {}, "does not say after how many steps"),
        ("highway", {"vehicles": 0}, "vehicles must be a whole number"),
    ],
)
def test_bad_tasks_get_one_sentence(name, parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.make(name, **parameters)


def test_highway_is_highway_env_step_by_step():
    highway_env = pytest.importorskip("highway_env")
    assert highway_env
    problem = handful.make("highway", users=4, vehicles=3, duration=4, processes=1)
    environment = problem.environment
    assert environment.observation_size == 25

    def make():
        config = {"vehicles_count": 3, "duration": 4}
        return gymnasium.make("highway-fast-v0", config=config, disable_env_checker=True)

    class WithFeatures(gymnasium.Wrapper):
        def step(self, action):
            observation, _, terminated, truncated, info = super().step(action)
            names = ("high_speed_reward", "right_lane_reward", "collision_reward")
            rewards = np.array([info["rewards"][name] for name in names])
            return observation, rewards, terminated, truncated, info

    actions = random_actions(environment, 7, 2)
    ours = by_batch(environment, 5, actions)
    theirs = by_hand(lambda: WithFeatures(make()), environment, 5, actions, 4)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_drivers_split_one_between_speed_and_lane_and_all_fear_crashes():
    weights = sample_drivers(1000, 0)
    np.testing.assert_allclose(weights[:, 0] + weights[:, 1], 1.0)
    assert (weights[:, :2] >= 0).all()
    assert weights[:, 2].max() <= -1.0
    assert weights[:, 2].min() >= -10.0
    assert np.median(-weights[:, 2]) == pytest.approx(np.sqrt(10), rel=0.1)
