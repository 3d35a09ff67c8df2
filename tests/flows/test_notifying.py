"""How a run ended, told to a webhook and to a command."""

from __future__ import annotations

import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows import notifying
from flows.exit_codes import ExitCode
from flows.notifying import notified
from nst_core.errors import RecipeError

SUMMARY = {
    "collection": "toy",
    "planned": 2,
    "complete": 1,
    "kept": 0,
    "failed": 1,
    "left": 0,
    "pairs": [],
}


class Webhook:
    """A server that keeps what it is told, and answers as it is asked to."""

    def __init__(self, *answers):
        self.heard = []
        answers = list(answers)
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append((self.headers["Content-Type"], json.loads(body)))
                self.send_response(answers.pop(0) if answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing on the terminal."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/secret-token"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        """Answer nobody any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def webhook(monkeypatch):
    """Start webhooks, each named by the environment."""
    monkeypatch.setattr(notifying, "_PAUSES", (0.0, 0.0))
    started = []

    def start(*answers):
        started.append(Webhook(*answers))
        monkeypatch.setenv("NST_NOTIFY_URL", started[-1].url)
        return started[-1]

    yield start
    for each in started:
        each.close()


def end(code=ExitCode.FAILED_PAIRS):
    """End a run."""
    return notified("toy.yaml", lambda: (code, SUMMARY))


def fail(error):
    """End a run with an error."""

    def paint():
        raise error

    with pytest.raises(type(error)) as raised:
        notified("toy.yaml", paint)
    assert raised.value is error


def test_a_webhook_is_told_the_summary(webhook):
    """The manifest, the exit code, the summary, and a line for chat programs."""
    told = webhook()

    assert end() == (ExitCode.FAILED_PAIRS, SUMMARY)

    assert told.heard == [
        (
            "application/json",
            {
                "text": "toy: complete 1, failed 1",
                "manifest": "toy.yaml",
                "exit_code": 3,
                "error": None,
                **SUMMARY,
            },
        )
    ]


def test_a_run_that_could_not_be_is_told_too(webhook):
    """With its error, which is raised all the same."""
    told = webhook()

    fail(RecipeError("no preset 'galery'", code="E-RECIPE-PRESET"))

    ((_, body),) = told.heard
    assert body == {
        "text": "toy.yaml: E-RECIPE-PRESET: no preset 'galery'",
        "manifest": "toy.yaml",
        "exit_code": 2,
        "error": "E-RECIPE-PRESET: no preset 'galery'",
    }


def test_a_fault_of_ours_is_told_too(webhook):
    """Nobody watches the terminal at night, and this is the morning to know of."""
    told = webhook()

    fail(IndexError("list index out of range"))

    ((_, body),) = told.heard
    assert (body["exit_code"], body["error"]) == (1, "E-BUG: IndexError: list index out of range")


@pytest.mark.parametrize(
    ("signal", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)], ids=repr
)
def test_a_run_that_was_stopped_before_it_began_is_told_too(webhook, signal, code):
    """As while it waits for its bucket; and once, as whoever sent the signal waits."""
    told = webhook(503)

    fail(signal)

    ((_, body),) = told.heard
    assert (body["exit_code"], body["text"]) == (code, "toy.yaml: stopped by a signal")


def test_a_webhook_with_trouble_is_asked_again(webhook, caplog):
    """Three times in all."""
    told = webhook(503, 429)

    end()

    assert len(told.heard) == 3
    assert caplog.messages == []


def test_a_run_that_was_interrupted_tries_once(webhook):
    """Whoever sent the signal waits."""
    told = webhook(503)

    end(ExitCode.TERMINATED)

    assert len(told.heard) == 1


@pytest.mark.parametrize(
    ("answers", "times", "said"),
    [((500, 502, 503), 3, "answered 503"), ((404,), 1, "answered 404"), ((302,), 1, "302")],
)
def test_a_webhook_that_does_not_take_it_changes_nothing(webhook, caplog, answers, times, said):
    """The exit code is the run's; the trouble is one line without the address."""
    told = webhook(*answers)

    with caplog.at_level(logging.WARNING):
        assert end()[0] == ExitCode.FAILED_PAIRS

    assert len(told.heard) == times
    (message,) = caplog.messages
    assert said in message
    assert "secret-token" not in message


def test_a_webhook_that_is_gone_changes_nothing(webhook, caplog, monkeypatch):
    """Nobody listens there."""
    gone = Webhook()
    gone.close()
    monkeypatch.setattr(notifying, "_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("NST_NOTIFY_URL", gone.url)

    assert end()[0] == ExitCode.FAILED_PAIRS
    assert "nobody was told" in caplog.text
    assert "secret-token" not in caplog.text


def test_a_command_is_told_on_its_standard_input(tmp_path, monkeypatch):
    """Word by word, as its owner wrote it, and no shell reads them."""
    heard = tmp_path / "heard; $(x).json"
    script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    monkeypatch.setenv("NST_NOTIFY_COMMAND", f'{sys.executable} -c "{script}" "{heard}"')

    end(ExitCode.COMPLETE)

    body = json.loads(heard.read_bytes())
    assert (body["exit_code"], body["text"]) == (0, "toy: complete 1, failed 1")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{python} -c \"import sys; sys.exit('no line')\"", "ended with 1: no line"),
        ("{folder}/nowhere", "FileNotFoundError"),
        ('{python} -c "import time; time.sleep(60)"', "TimeoutExpired"),
    ],
)
def test_a_command_that_fails_changes_nothing(tmp_path, monkeypatch, caplog, command, said):
    """It is said in one line."""
    command = command.format(python=sys.executable, folder=tmp_path)
    monkeypatch.setenv("NST_NOTIFY_COMMAND", command)
    if "sleep" in command:
        monkeypatch.setattr(notifying, "_COMMAND_SECONDS", 0.2)

    assert end()[0] == ExitCode.FAILED_PAIRS

    (message,) = caplog.messages
    assert said in message


def test_nobody_is_told_unless_asked(caplog):
    """Without either variable nothing happens."""
    assert end() == (ExitCode.FAILED_PAIRS, SUMMARY)
    assert caplog.messages == []
