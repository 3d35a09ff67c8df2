from __future__ import annotations

import os
import signal
import subprocess
import sys
from urllib.request import urlopen

import psutil
import pytest

from flows.prefect_server import PrefectServer, environment
from tests.waiting import until

START = """
import signal, sys
from pathlib import Path
from flows.prefect_server import PrefectServer
print(PrefectServer.start(Path(sys.argv[1])).process.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def bare(monkeypatch):
    """An environment in which nobody has said anything about Prefect."""
    for name in [name for name in os.environ if "PREFECT" in name or name == "DO_NOT_TRACK"]:
        monkeypatch.delenv(name)


def test_the_servers_api_answers(server):
    """Once it is ready, the API says that it is well."""
    with urlopen(f"{server.url}/health") as answer:
        assert answer.read() == b"true"


def test_a_proxy_of_the_network_is_passed_by(server, monkeypatch):
    """Behind a company's proxy, which knows nothing of this machine's own addresses."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert server.is_ready(60)


@pytest.mark.parametrize(("given", "used"), [("", "127.0.0.1"), ("intranet", "intranet,127.0.0.1")])
def test_what_else_passes_the_proxy_by_still_does(bare, monkeypatch, tmp_path, given, used):
    """What the user has excepted from the proxy remains so."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", given)

    PrefectServer.start(tmp_path).stop()

    assert os.environ.get("NO_PROXY", used) == used


def test_the_server_listens_to_this_machine_only(server):
    """Nobody else can reach it."""
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert listening == ["127.0.0.1"]


def test_the_servers_state_lies_in_its_home(server):
    """The database is where the run says, not in the user's folder."""
    files = {file.path for file in psutil.Process(server.process.pid).open_files()}

    assert f"{os.environ['PREFECT_HOME']}/prefect.db" in files


def test_a_server_of_the_users_own_is_used(bare, monkeypatch, tmp_path):
    """Whoever names one in PREFECT_API_URL gets none from us, and keeps it at the end."""
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")

    server = PrefectServer.start(tmp_path)

    assert (server.url, server.is_ours) == ("http://prefect.example/api", False)
    server.stop()
    assert os.environ["PREFECT_API_URL"] == "http://prefect.example/api"


def test_what_the_user_says_about_prefect_goes_before(bare, monkeypatch, tmp_path):
    """Our defaults fill gaps only."""
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")

    server = PrefectServer.start(tmp_path)

    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    server.stop()


def test_stopping_puts_the_environment_back(bare, tmp_path):
    """The next run of the same process gets a server and a home of its own."""
    before = dict(os.environ)
    server = PrefectServer.start(tmp_path)
    assert os.environ["PREFECT_HOME"] == str(tmp_path)

    server.stop()

    assert dict(os.environ) == before
    assert server.process.poll() is not None


def test_prefect_talks_to_nobody(tmp_path):
    """Analytics are off, of the server and of the client."""
    variables = environment(tmp_path)

    assert (variables["PREFECT_SERVER_ANALYTICS_ENABLED"], variables["DO_NOT_TRACK"]) == (
        "false",
        "1",
    )


def test_a_server_that_does_not_come_up_is_not_waited_for(tmp_path):
    """Its end is noticed at once, whatever the patience."""
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    server = PrefectServer("http://127.0.0.1:9/api", process)

    assert not server.is_ready(seconds=600)


def test_patience_with_a_server_ends(tmp_path):
    """An API that never answers is given up."""
    assert not PrefectServer("http://127.0.0.1:9/api").is_ready(seconds=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for it")
def test_the_server_dies_with_its_parent(bare, tmp_path):
    """A run that is killed leaves no server behind."""
    parent = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(parent.stdout.readline()))
    until(lambda: "nst-prefect" in child.cmdline())

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    assert psutil.wait_procs([child], timeout=60)[1] == []
