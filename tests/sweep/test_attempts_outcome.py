from handful.sweep.attempts import longest_first
from tests.sweep.helpers import request_of


def test_seed_after_seed_and_the_longest_first():
    short, long = [
        [request_of("runs", seed, steps=steps) for seed in (3, 1)] for steps in (640, 6400)
    ]
    order = longest_first([short[0], long[0], short[1], long[1]], {})
    assert order == [long[0], short[0], long[1], short[1]]


def test_lengths_go_by_what_the_task_took_before():
    quick = request_of("runs", steps=6400)
    slow = request_of("runs", steps=1280, task="glide", users=3)
    rows = {
        "a": {"task": quick.task, "policies": 2, "transitions": 500, "seconds": 1.0},
        "b": {"task": "glide", "policies": 1, "transitions": 100, "seconds": 3.0},
    }
    assert longest_first([quick, slow], {}) == [quick, slow]
    # 6.4 s and 38.4 s: 0.001 and 0.03 seconds a transition.
    assert longest_first([quick, slow], rows) == [slow, quick]
