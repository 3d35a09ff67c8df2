from __future__ import annotations

import sys
from contextvars import ContextVar
from threading import current_thread

import pytest

from tasks.background import in_background

TONIGHT = ContextVar("tonight", default="nobody's")


def test_the_result_is_the_functions():
    """Arguments go in, the result comes out."""
    assert in_background(divmod, 7, 2).result(10) == (3, 1)


def test_leaving_in_a_thread_is_told_as_any_error_is():
    """What would end the main thread must not leave whoever waits without an answer."""
    with pytest.raises(SystemExit):
        in_background(sys.exit, 3).result(10)


def test_no_thread_keeps_the_process():
    """A process that is done does not wait for what goes on beside it."""
    assert in_background(lambda: current_thread().daemon).result(10)


def test_the_callers_context_is_there():
    """What runs below a flow knows its flow."""
    token = TONIGHT.set("ours")
    try:
        assert in_background(TONIGHT.get).result(10) == "ours"
    finally:
        TONIGHT.reset(token)
