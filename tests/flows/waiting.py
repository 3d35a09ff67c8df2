"""Waiting for something to happen, however slow the machine."""

import time


def until(condition, seconds=60.0):
    """Return the first true value of a condition; so many seconds are for a machine in trouble."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found
