"""Something is done again and again as long as a context lasts, and not after it."""

import threading
import time

import pytest

from harness.core.beside import beside


def test_it_is_done_until_the_context_ends_however_it_ends():
    done, often = [], threading.Event()

    def work():
        done.append(threading.current_thread())
        if len(done) == 3:
            often.set()

    def ends_badly():
        with beside(work, 0.01):
            assert often.wait(30)
            raise ValueError("over")

    with pytest.raises(ValueError, match="over"):
        ends_badly()
    count = len(done)
    time.sleep(0.05)
    assert len(done) == count
    assert not done[0].is_alive()
    assert done[0] is not threading.current_thread()
