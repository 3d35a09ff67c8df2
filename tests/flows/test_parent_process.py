"""Nobody paints on when the schedule that began the night is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.waiting import until

_CHILD = """
import signal, sys, time
from pathlib import Path
from flows.parent_process import answer_to_parent_alone
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
answer_to_parent_alone()
Path("ready").touch()
end = time.monotonic() + 60
while not asked and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.5)
Path("partial").write_text(str(len(asked)))
Path("partial").rename("asked")
"""
_PARENT = """
import subprocess, sys, threading, time
for _ in range(8):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_a_killed_parent_asks_exactly_once(tmp_path):
    """However many threads the parent had: a second wish would end the night unsaved."""
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_PARENT), _CHILD],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    until((tmp_path / "ready").exists)
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    until((tmp_path / "asked").exists)
    assert (tmp_path / "asked").read_text() == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
@pytest.mark.parametrize(("parent", "asked"), [(None, "0"), (1, "1")])
def test_whose_parent_died_before_it_could_ask_leaves(tmp_path, parent, asked):
    """Starting takes seconds, and the kernel tells of no death that lies back."""
    environ = {"PYTHONPATH": ":".join(sys.path), "_NST_PARENT": str(parent or os.getpid())}
    code = textwrap.dedent(_CHILD).replace("+ 60", "+ 1")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, check=True)

    assert (tmp_path / "asked").read_text() == asked
