"""How commands speak: errors on standard error, one JSON object on standard output."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from manifests.locations import written_out
from manifests.problems import ManifestError
from manifests.wording import printable
from tasks.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.status import Status

    from nst_core.errors import NSTError

PLANNING = "reading the pictures, measuring this machine"


class _StandardError(Console):
    """A console that ends nothing when whoever read it is gone: a night goes on, unheard."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True


class _StandardOutput(Console):
    """The same for what a command prints: its exit code tells what it did, not who read it."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        _close_standard_output()


def standard_output(*, soft_wrap: bool = False) -> Console:
    """Return a console of standard output.

    Args:
        soft_wrap: Whether lines may be longer than the terminal, as paths that are pasted.
    """
    return _StandardOutput(soft_wrap=soft_wrap)


@cache
def standard_error() -> Console:
    """Return the one console of standard error: what it prints stands above a live display."""
    return _StandardError(stderr=True)


def complain(line: str) -> None:
    """Print an error in one line."""
    print_error(f"ERROR {line}")


def complain_of(error: NSTError, about: str = "") -> None:
    """Print an error in one line, or in one for each problem of a manifest.

    Args:
        error: What went wrong.
        about: What it is said of, where there are several; problems of a manifest say it already.
    """
    if isinstance(error, ManifestError):
        for problem in error.problems:
            print_error(str(problem))
    else:
        complain(f"{about}: {error.code} {error}" if about else f"{error.code} {error}")


def print_error(line: str) -> None:
    """Print a line on standard error, without secrets and without what steers terminals."""
    standard_error().print(printable(redact(line)), markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as the one JSON object of a command."""
    print_text(written_out(f"{json.dumps(value, ensure_ascii=False)}\n"))


def print_text(text: str) -> None:
    """Print a text as it is; nothing happens where nobody reads it any more."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()  # some commands go on for days after it
    except BrokenPipeError:
        _close_standard_output()


def announce(line: str) -> None:
    """Print what a command has done in one line."""
    standard_output(soft_wrap=True).print(printable(redact(line)), markup=False, highlight=False)


def at_work(what: str) -> Status:
    """Show on a terminal, while it lasts, what takes a while; elsewhere nothing."""
    return standard_error().status(what)


def from_here(location: str) -> str:
    """Return a location as short as it can be said in the working directory."""
    try:
        here, place = Path.cwd(), Path(location)
    except FileNotFoundError:  # removed meanwhile
        return location
    return str(place.relative_to(here)) if place.is_relative_to(here) else location


def counts(summary: dict[str, Any]) -> str:
    """Return the end of a run in one line."""
    told = ", ".join(
        f"{word} {summary[word]}"
        for word in ("complete", "kept", "failed", "left")  # not from the report, which loads numpy
        if summary[word]
    )
    drafts = sum(pair["state"] == "left" and bool(pair["picture"]) for pair in summary["pairs"])
    told += f" ({drafts} as drafts)" if drafts else ""
    return f"{summary['collection']}: {told or 'nothing to paint'}"


def tell_plan(plan: Callable[[], dict[str, Any]], *, as_json: bool) -> None:
    """Print what painting would take, and paint nothing.

    Args:
        plan: Finds it out, which may take some seconds.
        as_json: Whether to print all that is known instead.
    """
    with at_work(PLANNING):
        told = plan()
    if as_json:
        print_json(told)
    else:
        standard_output().print(printable(told["text"]), markup=False)


def tell_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    """Print the end of a run, in one line or as all that is known."""
    if as_json:
        print_json(summary)
    else:
        announce(counts(summary))


def _close_standard_output() -> None:
    """Let what is still to be printed go nowhere: at its end, Python would try once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
