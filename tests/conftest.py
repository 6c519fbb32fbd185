"""Stricter than a user's run: shapes and types checked at run time, no silent rank promotion.

Nothing here may import handful before the hook below is installed.
"""

import gc
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import hypothesis
import jax
import jaxtyping
import pytest

assert "handful" not in sys.modules, "handful was imported too early to be checked"
jaxtyping.install_import_hook("handful", "beartype.beartype")

# [N] + [K, N] by accident is the likeliest mistake in this library, so a test may not do it.
jax.config.update("jax_numpy_rank_promotion", "raise")

# Compiling is most of what the tests do. Without XLA's newer way of emitting fused loops it takes
# a third to two thirds of the time, also in programs that tests start; and a program that is
# compiled in one piece takes no threads from the other test process, and half the memory maps. XLA
# ends a process at the first flag that it does not know: these are only for versions that are known
# to have them.
_FLAGS = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
if version("jaxlib").startswith("0.10."):
    _given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*_given, *(flag for flag in _FLAGS if flag not in _given)])

# Two test processes take both cores already. Threads of linear algebra beside them mostly wait for
# each other, and burn as much time again as they compute. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# One cache of compiled programs for all test processes and the programs that they start. Whoever
# comes first makes it and sets the variable; the others inherit it.
_CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
_own_cache = None
if not os.environ.get(_CACHE_VARIABLE):
    _own_cache = os.environ[_CACHE_VARIABLE] = tempfile.mkdtemp(prefix="handful-tests-")
jax.config.update("jax_compilation_cache_dir", os.environ[_CACHE_VARIABLE])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)

_QUICK = "jax_disable_most_optimizations"
jax.config.update(_QUICK, True)  # also for what test files compute while they are imported


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Programs that run for a moment are not worth optimising: they compile in a fifth of the time.

    Tests that are marked slow run longer, and have theirs optimised. The variable is for commands
    that tests start.
    """
    is_quick = item.get_closest_marker("slow") is None
    jax.config.update(_QUICK, is_quick)
    os.environ[_QUICK.upper()] = str(int(is_quick))


hypothesis.settings.register_profile(
    "local",
    deadline=None,  # the first example pays for compilation
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "ci", hypothesis.settings.get_profile("local"), derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_finish():
    # Tracing makes many objects and drops few. What is there by now stays until the end, so that
    # looking for cycles in it, again and again, finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_unconfigure():
    if _own_cache is not None:
        shutil.rmtree(_own_cache, ignore_errors=True)


MOST_MAPS = 30_000
"""The memory maps of a process after which compiled programs are dropped: Linux allows 65,530, and
a process that gets no more of them crashes in the middle of compiling."""


MOST_GROWTH = 2 * 2**30
"""The bytes by which a process grows before compiled programs are dropped. Dropping them after
every file took 15 % more time, as the next file compiles anew what all of them need."""


def resident():
    """The bytes of memory that this process holds; 0 where that is not known."""
    pages = Path("/proc/self/statm")
    size = os.sysconf("SC_PAGE_SIZE")
    return int(pages.read_text().split()[1]) * size if pages.exists() else 0


_after_dropping = None


@pytest.fixture(scope="module", autouse=True)
def few_compiled_programs():
    """After a file of tests, compiled programs are dropped if they are many or large."""
    global _after_dropping
    if _after_dropping is None:
        _after_dropping = resident()
    yield
    maps = Path("/proc/self/maps")
    are_many = maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS
    if are_many or resident() - _after_dropping > MOST_GROWTH:
        jax.clear_caches()
        gc.collect()
        _after_dropping = resident()


@pytest.fixture
def allow_rank_promotion():
    """For a test that calls code of others which promotes ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def as_users_call(monkeypatch):
    """Arguments of a wrong type get as far as they do for users, without the checks of tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(autouse=True)
def forgotten_names():
    """Methods and learners that a test gives names are forgotten after it."""
    found = (("handful.methods", "METHODS"), ("handful.learner", "LEARNERS"))
    registries = [getattr(sys.modules[m], name) for m, name in found if m in sys.modules]
    kept = [dict(registry) for registry in registries]
    yield
    for registry, names in zip(registries, kept, strict=True):
        registry.clear()
        registry.update(names)
