"""The thread that looks for due work without the broker."""

import threading

from outbound.dispatcher import Dispatcher


def _run_until(done: threading.Event, *work) -> None:
    dispatcher = Dispatcher(lambda: [(each, 0) for each in work])
    dispatcher.start()
    assert done.wait(30)
    dispatcher.ask_to_stop()
    dispatcher.join()


def test_it_goes_on_after_an_error():
    third, calls = threading.Event(), []

    def fail(*, stop):
        calls.append(1)
        if len(calls) == 3:
            third.set()
        raise ValueError("a bad row")

    _run_until(third, fail)


def test_it_does_the_next_work_when_one_fails():
    reached = threading.Event()

    def fail(*, stop):
        raise ValueError("a bad row")

    _run_until(reached, fail, lambda *, stop: reached.set())


def test_it_tells_the_work_in_hand_to_stop():
    begun, ended = threading.Event(), threading.Event()

    def long(*, stop):
        begun.set()
        while not stop():
            pass
        ended.set()

    _run_until(begun, long)
    assert ended.is_set()
