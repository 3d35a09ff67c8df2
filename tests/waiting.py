"""Waiting for something to happen, however slow the machine."""

import os
import time


def until(condition, seconds=180.0):
    """Return the first true value of a condition; so many seconds are for a machine in trouble."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


def shared(seconds):
    """Return how long that may take on a machine as busy with other work as this one is."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
