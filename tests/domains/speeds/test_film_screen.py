"""Which OpenGL is taken, and what is said where there is none."""

import subprocess

import pytest

from handful.domains.speeds import film as screen
from handful.errors import HandfulError


@pytest.fixture
def working(monkeypatch):
    """Pretend that these work, and no others."""

    def pretend(*backends):
        monkeypatch.setattr(screen, "works", lambda backend: backend in backends)

    monkeypatch.delenv(screen.VARIABLE, raising=False)
    return pretend


def test_egl_comes_before_osmesa(working):
    working("egl", "osmesa")
    assert screen.choose_backend() == "egl"
    working("osmesa")
    assert screen.choose_backend() == "osmesa"


def test_what_the_variable_asks_for_is_taken(working, monkeypatch):
    working("egl", "osmesa")
    monkeypatch.setenv(screen.VARIABLE, "OSMesa")
    assert screen.choose_backend() == "osmesa"


def test_what_the_variable_asks_for_is_not_replaced(working, monkeypatch):
    working("egl")
    monkeypatch.setenv(screen.VARIABLE, "osmesa")
    with pytest.raises(HandfulError, match=r"MUJOCO_GL=osmesa does not work here.*libosmesa6"):
        screen.choose_backend()


def test_nothing_works(working):
    working()
    with pytest.raises(HandfulError, match=r"Neither EGL nor OSMesa.*libegl1 libgl1-mesa-dri"):
        screen.choose_backend()


def test_an_unknown_way_to_draw(working, monkeypatch):
    monkeypatch.setenv(screen.VARIABLE, "crayons")
    with pytest.raises(HandfulError, match="MUJOCO_GL=crayons is no way to draw"):
        screen.choose_backend()


def test_a_trial_that_fails_or_hangs_does_not_count(monkeypatch):
    assert not screen.works("no-such-backend")

    def hang(*arguments, **options):
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(screen.subprocess, "run", hang)
    assert not screen.works("another")
