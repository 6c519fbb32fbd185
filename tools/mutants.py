"""Put small faults into the sources, one at a time, and see whether the tests notice.

``tools/mutants.toml`` lists the faults. Each is applied to a copy of the project, and the tests
that are named for it run there. A fault that they do not notice has survived: a test is missing.
Run it by ``make mutants``, or for some of the faults by

    python tools/mutants.py --only learner

Every result is written down at once, so that a run that was killed goes on where it stopped. A
result counts for as long as the fault, the file that it changes, the tests that are named for it
and what tests share stay the same.

The exit code is 0 if every fault was caught, 1 if one survived, and 2 if the list is not true: a
text that does not occur in its file exactly once, or tests that fail without any fault.
"""

import argparse
import ast
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "mutants.toml"
WORK = ROOT / "build" / "mutants"
COPIED = ("src", "tests", "docs", "examples", "studies", "pyproject.toml", "CHANGELOG.md")
"""Parts of the project that the tests need."""

CAUGHT, SURVIVED, HUNG, BROKEN = "caught", "survived", "hung", "broken"
UNKNOWN = "not known"  # broken, or changed while it was tried
PATIENCE = 900.0
"""Seconds after which tests count as hung; a fault that makes them hang is noticed."""


@dataclass(frozen=True)
class Fault:
    """One small fault.

    Attributes:
        name: of the fault, for people: what is wrong with it.
        file: that it is put into, relative to the project.
        text: what stands in the file, exactly once.
        becomes: what stands there instead.
        tests: that must notice it, as pytest names them: ``file`` or ``file::test``.
        why: what would go wrong for a user.
    """

    name: str
    file: str
    text: str
    becomes: str
    tests: tuple[str, ...]
    why: str

    @property
    def folder(self) -> str:
        """Where its first test is."""
        return str(Path(self.tests[0].partition("::")[0]).parent)

    def check(self) -> str | None:
        """One sentence on what is wrong with the entry itself, or None."""
        path = ROOT / self.file
        if not path.is_file():
            return f"'{self.name}': there is no file {self.file}."
        count = path.read_text().count(self.text)
        if count != 1:
            return (
                f"'{self.name}': its text stands {count} times in {self.file} and must stand there "
                f"once: {self.text!r}."
            )
        if self.text == self.becomes:
            return f"'{self.name}' changes nothing."
        try:
            ast.parse(self.applied(path.read_text()))
        except SyntaxError as error:
            return f"'{self.name}' makes {self.file} no Python ({error.msg}, line {error.lineno})."
        return next((wrong for wrong in map(self._check_test, self.tests) if wrong), None)

    def _check_test(self, test: str) -> str | None:
        file, _, name = test.partition("::")
        path = ROOT / file
        function = name.split("[")[0]
        if not path.is_file() or (function and f"def {function}(" not in path.read_text()):
            return f"'{self.name}': there is no test {test}."
        return None

    def applied(self, source: str) -> str:
        """The file with the fault in it."""
        return source.replace(self.text, self.becomes)

    def digest(self) -> str:
        """Of all that its result depends on, as far as that is quickly read."""
        tests = {ROOT / test.partition("::")[0] for test in self.tests}
        shared = {path for path in (ROOT / "tests").rglob("*.py") if path.name[:5] != "test_"}
        hashed = hashlib.sha256(repr((self.text, self.becomes, self.tests)).encode())
        for path in sorted({ROOT / self.file, *tests, *shared}):
            hashed.update(path.read_bytes())
        return hashed.hexdigest()[:16]


def read_faults(path: Path = LIST) -> list[Fault]:
    """The list, in its order."""
    entries = tomllib.loads(path.read_text())["fault"]
    return [Fault(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


class Results:
    """What is known already: one line of JSON for each fault that was tried."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
                self._known[entry["digest"]] = entry["result"]
            except (ValueError, KeyError):  # the last line of a run that was killed
                continue

    def of(self, fault: Fault) -> str | None:
        """The result of a fault that has not changed since."""
        return self._known.get(fault.digest())

    def add(self, digest: str, fault: Fault, result: str, seconds: float) -> None:
        """Write down the result of what had this digest. What is broken is tried again."""
        if result == BROKEN:
            return
        entry = {"name": fault.name, "digest": digest, "result": result}
        self._known[digest] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({**entry, "seconds": round(seconds, 1)}) + "\n")


class Copy:
    """A copy of the project in which one fault at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._writes = folder, 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                kept_out = shutil.ignore_patterns("__pycache__", ".hypothesis")
                shutil.copytree(source, folder / name, ignore=kept_out)
            elif source.exists():
                shutil.copy2(source, folder / name)
        for name in ("results", "tools"):  # read by some tests, and never changed here
            (folder / name).symlink_to(ROOT / name)

    def try_fault(self, fault: Fault) -> str:
        """Put the fault in, run its tests, and take it out again."""
        path = self.folder / fault.file
        whole = path.read_text()
        self._write(path, fault.applied(whole))
        try:
            code, said = self.run_tests(fault.tests)
        finally:
            self._write(path, whole)
        if code == 1:
            return CAUGHT
        if code is None:
            return HUNG
        if code == 0:
            return SURVIVED
        print(f"'{fault.name}': pytest ended with code {code}.\n{said}", file=sys.stderr)
        return BROKEN

    def _write(self, path: Path, text: str) -> None:
        """Change a file, and its time by seconds: Python takes compiled files by that."""
        self._writes += 1
        later = path.stat().st_mtime + 10 * self._writes
        path.write_text(text)
        os.utime(path, (later, later))

    def run_tests(self, tests: Iterable[str]) -> tuple[int | None, str]:
        """The exit code of pytest and what it said; None after too long a time."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            "JAX_COMPILATION_CACHE_DIR": os.environ.get(
                "JAX_COMPILATION_CACHE_DIR", str(WORK / "compiled")
            ),
            "CI": "1",  # the same examples of property tests every time
        }
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command = [sys.executable, "-m", "pytest", *options, *sorted(tests)]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return None, ""
        return process.returncode, said[-4000:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every fault that nothing is known of yet, and report."""
    options = _parser().parse_args(arguments)
    faults = [
        fault
        for fault in read_faults()
        if any(part in fault.name or part in fault.file for part in options.only)
    ]
    wrong = [sentence for sentence in (fault.check() for fault in faults) if sentence]
    if wrong or not faults:
        print("\n".join(wrong) or "No fault has such a name.", file=sys.stderr)
        return 2
    if options.again:
        shutil.rmtree(WORK, ignore_errors=True)
    results = Results(WORK / "results.jsonl")
    left = [fault for fault in faults if results.of(fault) is None]
    print(f"{len(faults)} faults, {len(left)} of them to be tried.", flush=True)
    if left:
        code = _try_all(left, results, options.jobs)
        if code:
            return code
    return _report(faults, results)


def _try_all(faults: Sequence[Fault], results: Results, jobs: int) -> int:
    """Every fault in one of so many copies; not 0 if tests fail without any.

    Folder by folder of tests: those without a fault come first, and a process for each folder needs
    no more memory than the suite.
    """
    digests = {fault.name: fault.digest() for fault in faults}  # of what is copied now
    copies: queue.Queue[Copy] = queue.Queue()
    for number in range(jobs):
        copies.put(Copy(WORK / f"copy-{number}"))

    def try_one(fault: Fault) -> None:
        copy, started = copies.get(), time.monotonic()
        try:
            result = copy.try_fault(fault)
        finally:
            copies.put(copy)
        seconds = time.monotonic() - started
        results.add(digests[fault.name], fault, result, seconds)
        print(f"{result:8} {seconds:4.0f} s  {fault.file}: {fault.name}", flush=True)

    folders = sorted({fault.folder for fault in faults})
    for folder in folders:
        here = [fault for fault in faults if fault.folder == folder]
        copy = copies.get()
        code, said = copy.run_tests({test for fault in here for test in fault.tests})
        copies.put(copy)
        if code != 0:
            print(f"Without any fault, tests in {folder} fail: mend these first.\n{said}")
            return 2
        print(f"Without any fault, the tests in {folder} pass.", flush=True)
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(try_one, here))
    return 0


def _report(faults: Sequence[Fault], results: Results) -> int:
    found = [(fault, results.of(fault) or UNKNOWN) for fault in faults]
    counted = {kind: sum(result == kind for _, result in found) for kind in (CAUGHT, HUNG)}
    missed = [(fault, result) for fault, result in found if result not in counted]
    print(f"{sum(counted.values())} of {len(faults)} faults are caught.")
    for fault, result in missed:
        print(f"\n{result}: {fault.name} ({fault.file})\n  {fault.why}")
        print("\n".join(f"  {test}" for test in fault.tests))
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", default=[""], help="faults with one of these in their name or file"
    )
    parser.add_argument("--jobs", type=int, default=1, help="faults that are tried at once")
    parser.add_argument("--again", action="store_true", help="forget all results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
