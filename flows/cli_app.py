"""The `nst` command: its parts put together, and how it ends."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from flows import cli_machine, cli_manifests, cli_outputs, cli_painting, cli_schedules, logs
from flows.console import complain, complain_of
from flows.exit_codes import ExitCode, of_error
from nst_core.errors import NSTError
from tasks.settings import SettingsError

app = typer.Typer(
    name="nst",
    help="Paint whole galleries overnight: folders of photos times folders of paintings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 complete, 2 manifest or command line, 3 some pairs failed, 4 environment,"
    " 6 not all uploaded, 10 deadline, 11 locked, 130/143 interrupted.",
)
for part in (cli_painting, cli_manifests, cli_outputs, cli_schedules, cli_machine):
    app.add_typer(part.app)


def main() -> NoReturn:
    """Run the command line and leave with its exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C, where no command takes it for a wish to save and leave.
    """
    logs.configure()
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal of few letters must end no command
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _require_folder()
        code = app(standalone_mode=False)  # what a typer.Exit says comes back as a value
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except NSTError as error:
        complain_of(error)
        sys.exit(of_error(error))
    except Exception as error:
        if (usage := getattr(error, "exit_code", None)) is not None:  # the parser's own errors
            # A missing argument has no message of its own.
            told = error.format_message() if hasattr(error, "format_message") else str(error)
            if told := told.replace("Value error, ", "").rstrip("."):  # the help says it all
                complain(told)
            sys.exit(usage)
        logging.getLogger(__name__).critical("this is a fault of nst-gallery", exc_info=error)
        sys.exit(ExitCode.INTERNAL)
    if code == ExitCode.INTERRUPTED and not isinstance(code, ExitCode):  # typer's, not a run's own
        raise KeyboardInterrupt
    sys.exit(code or ExitCode.COMPLETE)


def _require_folder() -> None:
    """Find out whether there is a working directory: it may be removed beneath a shell."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise SettingsError(
            "the working directory is gone", remedy="change to a folder that exists"
        ) from error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nst-gallery {version('nst-gallery')}")
        raise typer.Exit


@app.callback()
def nst(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Paint whole galleries overnight: folders of photos times folders of paintings."""
