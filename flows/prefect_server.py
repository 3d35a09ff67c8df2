"""The Prefect server of one run: started beside the painting, gone with it.

Prefect is a window on the night, not the night itself: it shows flow and task runs while they
happen. Whoever has a server of their own names it in ``PREFECT_API_URL`` and none is started. A
server of ours keeps its state in one folder of the output, talks to nobody, and dies with the run
even if that is killed.

Nothing here may import Prefect: its settings are read from the environment at import.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import urlopen

from flows.prefect_database import EmptyDatabase

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_START_SECONDS = 120.0
_HERE = {"127.0.0.1", "localhost", "::1"}
# Nothing but what a run needs: neither pages nor the services that keep schedules.
_FOR_ONE_RUN = {"PREFECT_UI_ENABLED": "false", "PREFECT__SERVER_EPHEMERAL": "1"}
# The kernel ends the server with its parent, however that goes; 1 is PR_SET_PDEATHSIG.
_BOOT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit()
import uvicorn
uvicorn.run(
    "prefect.server.api.server:create_app",
    factory=True,
    host="127.0.0.1",
    port=int(sys.argv[2]),
    log_level="warning",
)
"""


def environment(home: Path) -> dict[str, str]:
    """Return how Prefect is to be set up, where the user does not say otherwise.

    Args:
        home: Folder for its state.
    """
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # What goes wrong, with a pair or with Prefect, is told by the night, in one line.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        # Waits of 2 and 4 s: a server that is gone must not hold up the end of the night.
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        "PREFECT_CLI_PROMPT": "false",
    }


@dataclass
class PrefectServer:
    """Where flow and task runs are shown.

    Args:
        url: Of the API.
        process: The server, if it is ours.
        variables: What `start` has added to the environment.
        makes: The database that it makes first of all, if others are to begin with a copy.
    """

    url: str
    process: subprocess.Popen[bytes] | None = None
    variables: tuple[str, ...] = ()
    makes: EmptyDatabase | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the server belongs to this run alone."""
        return self.process is not None

    @property
    def shows_pages_here(self) -> bool:
        """Whether somebody may look at its pages, and what it is shown stays on this machine."""
        return not self.is_ours and urlsplit(self.url).hostname in _HERE

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        cache: Path | None = None,
        schedules: bool = False,
        port: int | None = None,
    ) -> PrefectServer:
        """Prepare the environment for Prefect, and start a server unless the user has one.

        Returns at once; :meth:`is_ready` waits.

        Args:
            home: Folder for Prefect's state.
            cache: Folder for what servers of this machine have in common; None for nothing.
            schedules: Whether it shall keep schedules and show its pages, which takes longer.
            port: Where it listens on this machine; any free one by default.
        """
        home.mkdir(parents=True, exist_ok=True)
        wanted = environment(home)
        ours = {name: value for name, value in wanted.items() if name not in os.environ}
        os.environ |= ours
        if url := os.environ.get("PREFECT_API_URL"):
            return cls(url, variables=tuple(ours))
        variables = ["PREFECT_API_URL", *_past_the_proxy(), *ours]
        port = port or _free_port()
        url = f"http://127.0.0.1:{port}/api"
        empty = EmptyDatabase(home, cache) if cache and "PREFECT_HOME" in ours else None
        makes = empty if empty and empty.lend() else None
        with (home / "server.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 # our own interpreter, fixed arguments
                # The last argument is for people who read process lists.
                [sys.executable, "-c", _BOOT, str(os.getpid()), str(port), "nst-prefect"],
                env={**os.environ, **(_for_nights(url) if schedules else _FOR_ONE_RUN)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us to handle
            )
        os.environ["PREFECT_API_URL"] = url
        return cls(url, process, tuple(variables), makes)

    def is_ready(
        self, seconds: float = _START_SECONDS, *, called_off: threading.Event | None = None
    ) -> bool:
        """Wait until the API answers; False if it does not in that time, or is not wanted any more.

        Args:
            seconds: How long to wait.
            called_off: Set, it ends the wait.
        """
        called_off = called_off or threading.Event()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not called_off.is_set():
            if self.process is not None and self.process.poll() is not None:
                _log.warning("the Prefect server ended with exit code %d", self.process.returncode)
                return False
            try:
                with urlopen(f"{self.url}/health", timeout=5):  # noqa: S310 # the user's own server
                    if self.makes:
                        self.makes.keep()
                    return True
            except OSError:
                called_off.wait(0.1)
        return False

    def stop(self) -> None:
        """End a server of ours, leave another's alone, and put the environment back."""
        for name in self.variables:
            os.environ.pop(name, None)
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _for_nights(url: str) -> dict[str, str]:
    """Return what a server needs that goes on for months: its pages, and an end of its memory."""
    return {"PREFECT_UI_API_URL": url, "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "true"}


def _past_the_proxy() -> list[str]:
    """Have this machine reached without the proxy of the network; return the variables added."""
    name = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"
    hosts = os.environ.get(name, "")
    if "127.0.0.1" in hosts:
        return []
    os.environ[name] = f"{hosts},127.0.0.1" if hosts else "127.0.0.1"
    return [] if hosts else [name]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
