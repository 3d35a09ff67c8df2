"""Work beside the main thread, in threads that never keep the process from ending."""

from __future__ import annotations

from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_background(
    work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Future[Result]:
    """Call a function in a daemon thread of its own, with the caller's context variables.

    Returns:
        Its end: what it returns, or whatever it raises, a `SystemExit` included.
    """
    end: Future[Result] = Future()

    def run() -> None:
        try:
            end.set_result(work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 # for whoever asks for the result
            end.set_exception(error)

    context = copy_context()
    Thread(target=context.run, args=(run,), daemon=True).start()
    return end
