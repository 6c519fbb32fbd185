"""What a bundle says of its run keeps users private."""

from handful.training.records.release import _parameters


def described(name, **parameters):
    return {"name": name, "parameters": parameters}


def test_parameters_that_hold_users_are_left_out_unless_they_are_asked_for():
    given = described(
        "gymnasium:CartPole-v1",
        time_limit=50,
        registry="cartpoles",
        weights=[[0.25], [0.75]],
        user_ids=["ann", "bob"],
        population="/home/ann/users.csv",
        options={"length": 2},
    )
    kept = _parameters(given, False)
    assert kept["parameters"] == {"time_limit": 50, "registry": "cartpoles"}
    assert kept["parameters_left_out"] == ["weights", "user_ids", "population", "options"]
    assert _parameters(given, True) == {
        "parameters": given["parameters"],
        "parameters_left_out": [],
    }


def test_what_a_task_says_of_its_users_is_left_out():
    kept = _parameters(described("glide", targets=1.5, users=3), False)
    assert kept == {"parameters": {"users": 3}, "parameters_left_out": ["targets"]}
    custom = _parameters(described("custom", height=2), False)
    assert custom["parameters"] == {"height": 2}
