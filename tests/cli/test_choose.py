"""``handful choose`` and ``handful frontier`` on tables made by hand."""

import json

import pytest

TABLE = "person,ward,today,blue,green,red\nann,a,2,1,3,2\nbob,b,1,4,2,3\ncem,b,9,1,1,5\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "returns.csv"
    path.write_text(TABLE)
    return path


def test_a_choice_in_english(call, table):
    code, output, _ = call(
        *("choose", table, "--policies", 2, "--welfare", "nash", "--group", "ward"),
        *("--outside", "today", "--floor", 2),
    )
    assert code == 0
    assert "welfare (nash) 4.7622, proven" in output  # (3 · 4 · 9)^(1/3)
    assert "policy blue serves 1 user\npolicy green serves 1 user" in output
    assert "no policy fits 1 user" in output
    assert "group b: mean 6.5" in output


def test_a_choice_as_json_has_names(call, table):
    arguments = ("choose", table, "--policies", 1, "--group", "ward", "--outside", "today")
    record = json.loads(call(*arguments, "--json")[1])
    assert record["policies"] == ["blue"]
    assert record["assignment"] == {"ann": None, "bob": "blue", "cem": None}
    assert record["num_unserved"] == 2


def test_standard_errors_say_how_sure_a_choice_is(call, table, tmp_path):
    errors = tmp_path / "errors.csv"
    errors.write_text("person,blue,green,red\nann,1,1,1\nbob,1,1,1\ncem,1,1,1\n")
    arguments = (
        *("choose", table, "--ignore", "ward", "today", "--standard-errors", errors),
        *("--draws", 12, "--floor", 1),
    )
    output = call(*arguments, "--policies", 1)[1]
    assert "without the luck of the choice" in output
    assert "95 % interval" in output
    assert "of 12 further measurements" in output
    assert "policy red is chosen again in" in output
    assert "all floors hold with a chance of" in output
    record = json.loads(call(*arguments, "--policies", 1, "--json")[1])
    assert record["policies"] == ["red"]
    assert record["mended"]["low"] < record["mended"]["welfare"] < record["mended"]["high"]
    assert set(record["mended"]["chosen_again"]) == {"blue", "green", "red"}
    assert set(record["mended"]["utilities"]) == {"ann", "bob", "cem"}
    output = call(*arguments, "--policies", 1, 2)[1]
    assert "with 2 policies: without the luck of the choice" in output
    errors.write_text("person,blue,green\nann,1,1\nbob,1,1\ncem,1,1\n")
    code, _, error = call(*arguments, "--policies", 1)
    assert code == 2
    assert "no standard errors for the policy 'red'" in error


def test_several_numbers_are_a_table(call, table):
    output = call("choose", table, "--policies", 1, 3, "--ignore", "ward", "today")[1]
    assert [line.split()[:2] for line in output.splitlines()[1:]] == [["1", "3.33333"], ["3", "4"]]


def test_money_in_place_of_a_number(call, table, tmp_path):
    (tmp_path / "costs.csv").write_text("policy,cost\nblue,1\ngreen,1\nred,9\n")
    money = ("--costs", "costs.csv", "--budget", 2)
    output = call("choose", table, *money, "--ignore", "ward", "today", "--json")[1]
    assert json.loads(output)["policies"] == ["blue", "green"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--policies", 1), "--group"),
        (("--ignore", "ward", "today"), "Give either"),
        (("--policies", 1, "--group", "ward", "--ignore", "today", "--floor", 3.5), "1 user (ann)"),
        (("--policies", 1, "--group", "ward", "--ignore", "today", "--share", 0.5), "of a floor"),
        (("--policies", 1, "--group", "wrad"), "did you mean 'ward'"),
        (
            ("--policies", 1, "--ignore", "ward", "today", "--welfare", "nahs"),
            "no welfare function",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, table, arguments, sentence):
    code, output, error = call("choose", table, *arguments)
    assert (code, output) == (2, "")
    assert sentence in error
    assert error.count("\n") == 1


def test_a_frontier_is_printed_and_drawn(call, table, tmp_path):
    output = call(
        *("frontier", table, "--welfare", "utilitarian", "egalitarian"),
        *("--ignore", "ward", "today", "--floor", 3, "--picture", "worth.svg"),
    )[1]
    lines = output.splitlines()
    assert lines[0].split() == [
        "policies",
        "utilitarian",
        "one",
        "more",
        "egalitarian",
        "one",
        "more",
    ]
    assert lines[1].split()[:3] == ["1", "no", "choice"]
    # Green and red give ann 3, bob 3 and cem 5.
    assert lines[2].split() == ["2", "3.66667", "3"]
    assert lines[3].split() == ["3", "4", "+0.3333", "3", "+0"]
    assert lines[-1] == "the floors are met from 2 policies on"
    assert (tmp_path / "worth.svg").is_file()
    assert (tmp_path / "worth.png").is_file()


def test_a_frontier_says_which_budget_is_worth_most_in_money(call, table):
    arguments = ("frontier", table, "--ignore", "ward", "today", "--welfare", "utilitarian")
    output = call(*arguments, "--unit-worth", 10, "--policy-cost", 3)[1]
    # One policy is worth 10 · 10/3 - 3 = 30.3, two 10 · 11/3 - 6 = 30.7, three 40 - 9 = 31.
    assert "utilitarian: worth most is 3 policies, 31 less the cost" in output
    output = call(*arguments, "--unit-worth", 10, "--policy-cost", 4)[1]
    assert "utilitarian: worth most is 1 policy, 29.3333 less the cost" in output
    record = json.loads(call(*arguments, "--unit-worth", 10, "--policy-cost", 3, "--json")[1])
    assert record["welfares"]["utilitarian"]["net_worth"] == pytest.approx([91 / 3, 92 / 3, 31])
    code, _, error = call(*arguments, "--policy-cost", 3)
    assert code == 2
    assert "give --unit-worth" in error
