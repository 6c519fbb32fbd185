import json
import os
import subprocess
import sys

from tests.programs import handful

TALKS = "tests.gym_environments:Talks"


def test_json_is_alone_on_standard_output_whatever_an_environment_prints():
    done = handful("check-env", TALKS, "--param.time-limit", "7", "--json", cwd=".", check=False)
    assert done.returncode in (0, 1)  # as a counter, it has defects of its own
    assert json.loads(done.stdout)["feature_names"] == ["reward"]
    assert done.stdout.count("\n") == 1
    for printed in ("made\n", "made by a shell\n", "step\n"):
        assert printed in done.stderr


PROGRAM = """
import atexit, ctypes, os, sys
from handful.cli.channel import results_alone, write_result
atexit.register(print, "at the end")
held = sys.stdout
with results_alone():
    print("python"); held.write("held\\n"); os.system("echo shell")
    ctypes.CDLL(None).puts(b"native")
    write_result("result\\n")
    ctypes.CDLL(None).puts(b"native again")
atexit.register(lambda: os.write(1, b"raw at the end\\n"))
print("after")
"""


def run(program, **how):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, **how
    )


def test_only_results_and_what_comes_after_reach_standard_output():
    done = run(PROGRAM)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "result"
    for hidden in ("python", "held", "shell", "native", "native again"):
        assert hidden not in done.stdout
        assert hidden in done.stderr


def test_a_reader_that_is_gone_is_an_error_of_writing():
    program = (
        "import os\n"
        "from handful.cli.channel import results_alone, write_result\n"
        "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 1)\n"
        "try:\n"
        "    with results_alone(): write_result('x')\n"
        "except BrokenPipeError: os._exit(7)\n"
    )
    assert run(program).returncode == 7


def test_without_a_file_descriptor_the_stream_gets_the_result(capsys):
    from handful.cli.channel import results_alone, write_result

    with results_alone():
        sys.stdout.write("noise")
        write_result("result")
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("result", "noise")
