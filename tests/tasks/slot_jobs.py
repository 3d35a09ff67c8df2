"""Jobs of toy slots, run in other threads and listened to."""

import psutil

from tests.waiting import until


def is_gone(pid):
    """Tell whether a process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Heard:
    """Collects events, and tells when there are some."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        """Take one event."""
        self.events.append(event)


def begin(threads, pool, heard=None, **job):
    """Run a job in another thread and return once it has told something."""
    heard = heard or Heard()
    running = threads.submit(pool.run, job, heard)
    until(lambda: heard.events or running.done())
    return running
