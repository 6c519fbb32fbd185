import os
import signal
import threading

import pytest

from handful.training.session import StopRequest, TrainingInterrupted

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture(autouse=True)
def handlers():
    """Handlers of this test's own, so that a signal that gets through ends no test process."""
    heard = []
    before = {
        number: signal.signal(number, lambda got, frame: heard.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


@SIGNALS
def test_first_signal_is_noted_and_the_second_has_its_usual_effect(handlers, number):
    with StopRequest() as stop:
        assert stop.signal_number is None
        os.kill(os.getpid(), number)
        assert stop.signal_number == number
        assert handlers == []
        os.kill(os.getpid(), number)
    assert handlers == [number]


@SIGNALS
def test_signals_have_their_usual_effect_afterwards(handlers, number):
    with StopRequest():
        pass
    os.kill(os.getpid(), number)
    assert handlers == [number]


def test_handlers_come_back_after_an_error(handlers):
    with pytest.raises(ZeroDivisionError), StopRequest():
        raise ZeroDivisionError
    os.kill(os.getpid(), signal.SIGINT)
    assert handlers == [signal.SIGINT]


def test_other_threads_change_no_handlers(handlers):
    found = []

    def enter():
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            found.append(stop.signal_number)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [None]
    assert handlers == [signal.SIGTERM]


def test_interruption_says_what_asked_for_it():
    error = TrainingInterrupted("Stopped.", signal.SIGTERM)
    assert (str(error), error.signal_number) == ("Stopped.", signal.SIGTERM)
