"""Messages of tyro's, drawn in a box or in ASCII, as one sentence."""

import pytest

from handful.cli.commands import one_sentence

UNKNOWN = """╭─ Unrecognized options ──────────────────────╮
│ Unrecognized options: --ppo.learning-rat, 3 │
│ ─────────────────────────────────────────── │
│ Perhaps you meant:                          │
│     --ppo.final-learning-rate FLOAT         │
│         At the end, --help says. (0.1)      │
│     --ppo.learning-rate FLOAT               │
│         in handful train --help             │
│ ─────────────────────────────────────────── │
│ For full helptext, run handful --help       │
╰─────────────────────────────────────────────╯
"""

MISSING = """╭─ Required options ──────────────╮
│ Missing from handful train:     │
│     --policies INT              │
│         The budget k. (required)│
│     --out PATH                  │
│         A new folder. (required)│
│ ─────────────────────────────── │
│ For full helptext, run:         │
│     handful train --help        │
╰─────────────────────────────────╯
"""

VALUE = """╭─ Value error ────────────────────────────╮
│ Error parsing --seed: invalid literal for│
│ int() with base 10: 'x'                  │
│ ──────────────────────────────────────── │
│ Argument helptext:                       │
│     --seed INT                           │
│     The seed of everything. (default: 0) │
╰──────────────────────────────────────────╯
"""

COMMAND = """╭─ Unrecognized options ────────────────╮
│ Unrecognized options: trian           │
│ ───────────────────────────────────── │
│ Available subcommands: tasks, train,  │
│ resume                                │
╰───────────────────────────────────────╯
"""


def in_ascii(box):
    """The same without drawn characters, as tyro prints it where the output cannot show them."""
    title, *lines, _ = box.strip().splitlines()
    title = title.strip("╭─╮")
    lines = [line[1:-1].replace("─", "-") for line in lines]
    return "\n".join([title, "-" * len(title), *(f" {line}" for line in lines), " "]) + "\n"


@pytest.mark.parametrize("drawn", [str, in_ascii])
@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        (
            UNKNOWN,
            "Unrecognized options: --ppo.learning-rat, 3 (did you mean '--ppo.learning-rate'?).",
        ),
        (MISSING, "handful train needs --policies INT and --out PATH."),
        (
            VALUE,
            "Error parsing --seed: invalid literal for int() with base 10: 'x'; it is --seed INT.",
        ),
        (
            COMMAND,
            "Unrecognized options: trian (did you mean 'train'?): the commands are tasks, train, "
            "resume.",
        ),
    ],
)
def test_a_box_is_one_sentence(drawn, box, sentence):
    assert one_sentence(drawn(box)) == sentence


def test_a_message_that_is_no_box_is_told_all_the_same():
    assert one_sentence("  something else\n") == "something else."
    assert one_sentence("") == "The arguments are not understood."
