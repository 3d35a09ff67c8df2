"""Jobs for the slots' tests, imported by the workers; no torch unless a job says so."""

import ctypes
import errno
import logging
import os
import signal
import sys
import time
from pathlib import Path

from nst_core.errors import DivergedError
from tasks.jobs import Stopped


def main(job, emit, stop):
    """Do what ``job["do"]`` names."""
    return globals()[job["do"]](job, emit, stop)


def echo(job, emit, stop):
    """Return the job and facts about the process."""
    emit({"step": 1})
    return {"job": job, "pid": os.getpid(), "environ": dict(os.environ)}


def count(job, emit, stop):
    """Emit as many events as asked."""
    for step in range(job["steps"]):
        emit({"step": step, "loss": 1 / (step + 1)})
    return {}


def paint(job, emit, stop):
    """Make steps for as long as nobody asks to stop; then save and leave."""
    for step in range(1_000_000):
        emit({"step": step, "pid": os.getpid()})
        if stop.is_set():
            if "saved" in job:
                Path(job["saved"]).write_text(str(step))
            raise Stopped(f"saved at step {step}")
        time.sleep(0.01)
    return {}


def ignore_stop(job, emit, stop):
    """Make steps and never look at the flag."""
    while True:
        emit({"step": 0})
        time.sleep(0.01)


def sleep_for_ever(job, emit, stop):
    """Emit one event and nothing more."""
    emit({"octave": 1, "step": 3})
    while True:
        time.sleep(60)


def hold_the_interpreter(job, emit, stop):
    """Get stuck in a C call that never lets another Python thread run."""
    emit({"step": 3})
    while True:
        ctypes.PyDLL(None).sleep(600)


def breathe(job, emit, stop):
    """Emit an event before each of the pauses."""
    for step, seconds in enumerate(job["pauses"]):
        emit({"step": step})
        time.sleep(seconds)
    return {}


def die(job, emit, stop):
    """Send a signal to the own process at step 2; where ``once`` names a file, the first time."""
    if "once" in job:
        try:
            Path(job["once"]).touch(exist_ok=False)
        except FileExistsError:
            return {"pid": os.getpid()}
    emit({"octave": 1, "step": 2})
    os.kill(os.getpid(), signal.Signals[job["signal"]])
    time.sleep(60)
    return {}


def leave(job, emit, stop):
    """End the process in the middle of the job."""
    os._exit(7)


def diverge(job, emit, stop):
    """Raise an error of ours."""
    emit({"step": 41})
    raise DivergedError("loss became NaN in step 41", code="E-TOY", remedy="lower the rate")


def divide(job, emit, stop):
    """Raise an error nobody expected."""
    return {"result": 1 / 0}


def run_out_of_memory(job, emit, stop):
    """Ask torch for more memory than there is."""
    import torch  # noqa: PLC0415

    return {"sum": float(torch.ones(1 << 50).sum())}


def fill_the_disk(job, emit, stop):
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


def return_nonsense(job, emit, stop):
    """Return what cannot travel."""
    return {"result": lambda: None}


def warn(job, emit, stop):
    """Log a warning and print a line."""
    sys.stdout.write("on the way\n")
    logging.getLogger("tasks.toy").warning("something is odd")
    return {}


def threads(job, emit, stop):
    """Tell how many threads torch would use."""
    import torch  # noqa: PLC0415

    return {"threads": torch.get_num_threads()}


def watch_threads(job, emit, stop):
    """Tell how many threads torch would use, again and again until asked to stop."""
    import torch  # noqa: PLC0415

    while not stop.is_set():
        emit({"threads": torch.get_num_threads()})
        time.sleep(0.01)
    raise Stopped("seen enough")


def modules(job, emit, stop):
    """Name the imported modules."""
    return {"modules": sorted(sys.modules)}
