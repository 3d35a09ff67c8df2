"""The `nst` command as people run it: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.waiting import shared

NST = Path(sys.executable).with_name("nst")


class Nst:
    """A running command.

    Args:
        arguments: After ``nst``.
        folder: Where what it prints is kept.
        environ: Variables besides those of this process; None takes one away.
        options: Of ``Popen``.
    """

    def __init__(self, *arguments, folder: Path, environ=None, **options):
        inherited = {name: os.environ[name] for name in os.environ if "PREFECT" not in name}
        # A command that hangs is aborted, and then tells where it hung.
        variables = inherited | {"PYTHONFAULTHANDLER": "1"} | (environ or {})
        number = len(list(folder.glob("stdout-*")))
        self._stdout = folder / f"stdout-{number}"
        self._stderr = folder / f"stderr-{number}"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [NST, *arguments],
                env={name: value for name, value in variables.items() if value is not None},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                **options,
            )

    @property
    def stdout(self):
        """What it has printed for machines and people."""
        return self._stdout.read_text()

    @property
    def stderr(self):
        """What it has told on the way."""
        return self._stderr.read_text()

    @property
    def has_ended(self):
        """Whether it runs no more."""
        return self.process.poll() is not None

    @property
    def summary(self):
        """Its standard output, which must be one JSON object and nothing else."""
        return json.loads(self.stdout)

    def end(self, seconds=None):
        """Wait for its end and return its exit code; after so long it is taken to hang."""
        seconds = seconds or shared(120.0)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(f"not ended after {seconds} s: {self.stderr}") from None

    def send(self, number):
        """Send a signal, await the end, return (exit code, seconds, processes left over)."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.end()
        seconds = time.monotonic() - began
        _, left = psutil.wait_procs(family, timeout=60)
        return code, seconds, left
