"""Log lines, for people and for machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tasks.settings import Settings, SettingsError

_SPEAK = """
import logging
from flows import logs
logs.configure()
try:
    raise LookupError("nobody thought of s3://key:geheim@bucket")
except LookupError:
    logging.getLogger("flows.run").exception("two\\nlines, é")
"""


def said(**environ):
    """Return the lines on standard error of a process that logs one thing."""
    ran = subprocess.run(
        [sys.executable, "-c", _SPEAK], env=environ, capture_output=True, text=True, check=True
    )
    return ran.stderr.splitlines()


def test_a_log_line_for_machines_is_one_json_object(monkeypatch):
    """Whatever is in a message, a line is a line; the traceback is in it."""
    (line,) = said(NST_LOG="json", PYTHONUTF8="1", PYTHONPATH=":".join(sys.path))
    told = json.loads(line)

    assert (told["level"], told["logger"], told["message"]) == (
        "error",
        "flows.run",
        "two\nlines, é",
    )
    assert "LookupError" in told["error"]


def test_a_log_line_for_machines_has_no_secrets():
    """What a traceback carries is redacted as it is for people."""
    (line,) = said(NST_LOG="json", PYTHONUTF8="1", PYTHONPATH=":".join(sys.path))

    assert "geheim" not in line


def test_log_lines_are_for_people_if_nobody_says_otherwise():
    """No JSON on a terminal."""
    assert not said(PYTHONUTF8="1", PYTHONPATH=":".join(sys.path))[0].startswith("{")


def test_a_line_that_nobody_reads_ends_nothing():
    """A night whose log goes through a pipe outlives the pipe's other end."""
    reader, writer = os.pipe()
    os.close(reader)
    script = f"{_SPEAK}\nprint('painted')"

    ran = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=writer, check=False
    )
    os.close(writer)

    assert ran.stdout == b"painted\n"


def test_another_way_to_log_is_refused():
    """A misspelt wish is told, not ignored."""
    with pytest.raises(SettingsError, match="NST_LOG is 'jsonl', expected text or json"):
        Settings.from_environment({"NST_LOG": "jsonl"})
