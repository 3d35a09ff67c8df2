"""A Ray cluster of our own: a head that paints nothing, and machines, each with a folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.waiting import until

REPOSITORY = Path(__file__).parents[2]
RAY = Path(sys.executable).with_name("ray")


class RayMachines:
    """A head and machines, all on this one; what each was given to keep lies in its own folder.

    Args:
        folder: A short path: Ray makes sockets in it.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._begun = []
        self._machines = {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._begin("head", "--head", f"--port={port}", "--num-cpus=0", f"--temp-dir={folder}/r")
        until(self._answers)

    def add(self, name, environ=None):
        """Start a machine with one core; return once the cluster knows it."""
        before = len(self._nodes())
        # An address of its own: a run talks to the cluster through its own machine, the head's.
        place = f"--node-ip-address=127.0.0.{len(self._machines) + 2}"
        self._machines[name] = self._begin(
            name, f"--address={self.address}", "--num-cpus=1", place, environ=environ
        )
        until(lambda: len(self._nodes()) > before)

    def unplug_painting(self):
        """End everything on the machine that began to tarry last, at once."""
        marks = self._folder.glob("*/away/slot-*/*/painting/mark")
        latest = max(marks, key=lambda mark: mark.stat().st_mtime)
        _kill_family(self._machines[latest.relative_to(self._folder).parts[0]])

    def lose_the_head(self):
        """End what every machine depends on."""
        for process in psutil.process_iter():
            if "gcs_server" in (said := _said_of(process)) and str(self._folder) in said:
                process.kill()

    def remote_slots(self):
        """Return the processes that hold a slot on one of the machines."""
        return [process for process in self._ours() if "ray::RemoteSlot" in _said_of(process)]

    def painters(self):
        """Return the processes that hold a slot on one of the machines, or paint in it."""
        words = ("ray::RemoteSlot", "nst-slot-")
        return [one for one in self._ours() if any(word in _said_of(one) for word in words)]

    def end(self):
        """End all that was begun, the machines before the head."""
        for node in reversed(self._begun):
            _kill_family(node)

    def _begin(self, name, *arguments, environ=None):
        inherited = {key: value for key, value in os.environ.items() if "PREFECT" not in key}
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            node = subprocess.Popen(
                [RAY, "start", "--block", "--num-gpus=0", "--disable-usage-stats", *arguments],
                env=inherited
                | {"PYTHONPATH": str(REPOSITORY), "NST_SCRATCH": str(self._folder / name)}
                | (environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._begun.append(node)
        return node

    def _ours(self):
        """Return all processes on the machines, whoever their parents are."""
        found = []
        for process in psutil.process_iter():
            try:
                scratch = process.environ().get("NST_SCRATCH", "")
            except psutil.Error:
                continue
            if Path(scratch).parent == self._folder:
                found.append(process)
        return found

    def _answers(self):
        host, port = self.address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return bool(self._nodes())

    def _nodes(self):
        """Return what the cluster tells of its machines."""
        told = subprocess.run(
            [sys.executable, "-c", _NODES, self.address],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return told.stdout.split()


_NODES = (
    "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR');"
    "print(*[node['NodeID'] for node in ray.nodes() if node['Alive']])"
)


def _said_of(process):
    try:
        is_gone = process.status() == psutil.STATUS_ZOMBIE
        return "" if is_gone else " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _kill_family(node):
    try:
        family = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=30)
    if node.poll() is None:
        node.wait()
