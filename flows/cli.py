"""The `nst` command's door, so light that Ctrl-C finds it open from the first moment on."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        from flows.cli_app import main as run  # noqa: PLC0415 # takes long enough to be interrupted

        run()
    except KeyboardInterrupt:
        with suppress(OSError):  # Ctrl-C ends `| tee`, too
            sys.stderr.write("interrupted\n")
        sys.exit(130)
