"""How a run ended, told in JSON: to a webhook, or to a command's standard input.

Whoever is to be told stands in the environment, not in a manifest: an address may be a secret. A
message that cannot be delivered changes nothing about the run; it is said in one line.
"""

from __future__ import annotations

import json
import logging
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flows.console import counts
from flows.exit_codes import is_interruption, of_error
from manifests.wording import printable
from nst_core.errors import NSTError
from tasks.redaction import redact
from tasks.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flows.exit_codes import ExitCode

_log = logging.getLogger(__name__)

_SECONDS = 10.0
_COMMAND_SECONDS = 60.0
# A run that was told to end has little time left, and tries once.
_HURRIED_SECONDS = 2.0
# Before the second and the third try.
_PAUSES = (1.0, 4.0)
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_LONGEST_ANSWER = 200


def require_command(settings: Settings) -> None:
    """Find out whether the command that is to be told is there.

    Raises:
        SettingsError: It is not.
    """
    name = next(iter(shlex.split(settings.notify_command or "")), "")
    if name and not shutil.which(name):
        raise SettingsError(
            redact(f"NST_NOTIFY_COMMAND names {name!r}, which is no command here"),
            remedy="install it, or name it by its whole path",
        )


def notified(
    source: str, paint: Callable[[], tuple[ExitCode, dict[str, Any]]]
) -> tuple[ExitCode, dict[str, Any]]:
    """Run something to its end and tell whoever wants to know how it ended.

    Args:
        source: What is run: the manifest's location.
        paint: Returns the exit code and the summary.

    Returns:
        What ``paint`` returns.

    Raises:
        BaseException: What ``paint`` raises; that is told as well, and so is a signal.
    """
    with errors_told(source) as settings:
        code, summary = paint()
    _tell(settings, {"manifest": source, "exit_code": int(code), "error": None, **summary})
    return code, summary


@contextmanager
def errors_told(source: str) -> Iterator[Settings]:
    """Tell whoever wants to know of an error, or a signal, that ends what is done here.

    Args:
        source: What is about to be run: the manifest's location.

    Yields:
        The settings, which say who is told.
    """
    settings = Settings.from_environment()
    try:
        yield settings
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        code = of_error(error)
        _tell(settings, {"manifest": source, "exit_code": int(code), "error": said(error)})
        raise


def said(error: BaseException) -> str:
    """Return an error in words, with its code and without secrets."""
    match error:
        case KeyboardInterrupt() | SystemExit():
            return "stopped by a signal"
        case NSTError():
            return redact(printable(f"{error.code}: {error}"))
        case _:
            return redact(printable(f"E-BUG: {type(error).__name__}: {error}"))


def _tell(settings: Settings, facts: dict[str, Any]) -> None:
    hurry = is_interruption(facts["exit_code"])
    # What chat programs show of a webhook's message is its "text".
    message = json.dumps({"text": _in_a_line(facts), **facts}, ensure_ascii=False).encode()
    ways = ((settings.notify_url, _post), (settings.notify_command, _call))
    for place, way in ways:
        if place and (trouble := way(place, message, hurry=hurry)):
            _log.warning("nobody was told how the run ended: %s", trouble)


def _in_a_line(facts: dict[str, Any]) -> str:
    if facts["error"]:
        return f"{facts['manifest']}: {facts['error']}"
    return counts(facts)


def _post(url: str, message: bytes, *, hurry: bool) -> str:
    """Send a message to a webhook and return why that failed, or nothing."""
    import httpx  # noqa: PLC0415 # few runs need it

    trouble = ""
    for pause in (*(() if hurry else _PAUSES), None):
        try:
            answer = httpx.post(
                url,
                content=message,
                headers={"Content-Type": "application/json"},
                timeout=_HURRIED_SECONDS if hurry else _SECONDS,
                follow_redirects=False,
            )
        except httpx.TransportError as error:
            trouble = f"{type(error).__name__} {redact(str(error))}".strip()
        except (httpx.InvalidURL, httpx.HTTPError, ValueError) as error:
            return f"NST_NOTIFY_URL is refused, {type(error).__name__}"
        else:
            if answer.is_success:
                return ""
            trouble = f"the webhook answered {answer.status_code}"
            if not (answer.is_server_error or answer.status_code in _PASSING):
                return trouble
        if pause is not None:
            time.sleep(pause)
    return trouble


def _call(command: str, message: bytes, *, hurry: bool) -> str:
    """Give a message to a command and return why that failed, or nothing."""
    try:
        ended = subprocess.run(  # noqa: S603 # its owner's own command, without a shell
            shlex.split(command),
            input=message,
            capture_output=True,
            timeout=_HURRIED_SECONDS if hurry else _COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        return f"NST_NOTIFY_COMMAND failed: {type(error).__name__}"
    if ended.returncode == 0:
        return ""
    said = ended.stderr.decode("utf-8", "replace").strip()[-_LONGEST_ANSWER:]
    return redact(printable(f"NST_NOTIFY_COMMAND ended with {ended.returncode}: {said}"))
