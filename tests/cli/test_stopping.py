"""The program ends when it is asked to, whatever it is doing: one line, 128 + the signal."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.programs import START_OF_A_PROGRAM

ASKED_TO_STOP = "handful: stopped.\n"


def run(program, *arguments, cwd=None):
    """Run a program that begins with signals heard as a shell's programs hear them."""
    return subprocess.run(
        [sys.executable, "-c", START_OF_A_PROGRAM + textwrap.dedent(program), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


STOPPED_AT_AN_IMPORT = """
class Asking:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), int(sys.argv[2]))

sys.meta_path.insert(0, Asking())
from handful.cli.main import main
main(["train", "glide", "--policies", "1", "--steps", "4096", "--out", "run"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module", ["handful.cli.commands", "tyro", "numpy", "jax._src.core", "handful.training.loop"]
)
def test_a_signal_during_an_import(tmp_path, module, number):
    done = run(STOPPED_AT_AN_IMPORT, module, str(int(number)), cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (128 + number, ASKED_TO_STOP, "")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_at_any_moment_of_the_first_seconds(tmp_path):
    ends = []
    for delay in (0.0, 0.1, 0.3, 0.6, 1.0, 1.5):
        program = START_OF_A_PROGRAM + "print(end='.', flush=True)\n"
        program += "from handful.cli.main import main\nmain()"
        arguments = ["train", "glide", "--policies", "1", "--out", str(tmp_path / f"{delay}")]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdout.read(1)  # from here on it is in our hands
        time.sleep(0.02 + delay)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
        ends.append((process.returncode, [line for line in errors.splitlines() if "opped" in line]))
        assert "Traceback" not in errors
        assert "Error" not in errors
    assert [code for code, _ in ends] == [130] * len(ends)
    assert all(len(told) == 1 for _, told in ends)


SWALLOWED = """
import time
from handful.cli import main, stopping
from handful.cli.tasks import Tasks

stopping.GRACE = 0.2

def stubborn(self):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except BaseException:
        WHAT_IT_DOES
    print("went on")

Tasks.run = stubborn
main.main(["tasks"])
"""


@pytest.mark.parametrize(
    "what", ["pass", "time.sleep(30)", "raise ImportError", "os.kill(os.getpid(), signal.SIGTERM)"]
)
def test_code_that_passes_over_every_error_stops_too(what):
    done = run(SWALLOWED.replace("WHAT_IT_DOES", what))
    number = signal.SIGTERM if "SIGTERM" in what else signal.SIGINT
    assert (done.returncode, done.stderr) == (128 + number, ASKED_TO_STOP)


def test_what_python_passes_over_while_it_tidies_up_stops_the_program():
    done = run(
        """
        from handful.cli import main
        from handful.cli.tasks import Tasks

        class Tidy:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
                [i for i in range(1000)]

        def run(self):
            Tidy()
            print("went on")

        Tasks.run = run
        main.main(["tasks"])
        """
    )
    assert (done.returncode, done.stderr, done.stdout) == (130, ASKED_TO_STOP, "")


def test_what_must_be_tidied_up_is_tidied_up():
    done = run(
        """
        from handful.cli import main
        from handful.cli.tasks import Tasks

        def run(self):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                print("tidied up")

        Tasks.run = run
        main.main(["tasks"])
        """
    )
    assert (done.returncode, done.stderr, done.stdout) == (130, ASKED_TO_STOP, "tidied up\n")


def test_an_orderly_end_may_be_granted_its_time():
    done = run(
        """
        import time
        from handful.cli import main, stopping
        from handful.cli.tasks import Tasks

        stopping.GRACE = 0.1

        def run(self):
            with stopping.patiently():
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                except KeyboardInterrupt:
                    time.sleep(0.5)
                    print("saved")
                    raise

        Tasks.run = run
        main.main(["tasks"])
        """
    )
    assert (done.returncode, done.stderr, done.stdout) == (130, ASKED_TO_STOP, "saved\n")


def test_signals_that_are_ignored_stay_ignored():
    done = run(
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from handful.cli import main
        from handful.cli.tasks import Tasks

        def run(self):
            os.kill(os.getpid(), signal.SIGINT)
            print("went on")

        Tasks.run = run
        main.main(["tasks"])
        """
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "went on\n")


def test_handlers_are_those_of_before_afterwards(call):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    hook = sys.unraisablehook
    assert call("tasks")[0] == 0
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    assert after == before
    assert sys.unraisablehook is hook
