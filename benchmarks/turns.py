"""Take turns: processes that answer a line with a number, asked one after the other."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def in_turns(
    commands: Mapping[str, Sequence[str]], environs: Mapping[str, Mapping[str, str]], rounds: int
) -> dict[str, list[float]]:
    """Return what each process answered, in order; only one is at work at a time.

    Args:
        commands: What to run, by name. It answers every line that comes in with one number.
        environs: In which environment, by name.
        rounds: How often to ask each.
    """
    answers: dict[str, list[float]] = {name: [] for name in commands}
    with contextlib.ExitStack() as running:
        processes = {
            name: running.enter_context(
                subprocess.Popen(  # noqa: S603 # the caller's own
                    command,
                    env=environs[name],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for name, command in commands.items()
        }
        for _ in range(rounds):
            for name, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                print(file=process.stdin, flush=True)
                answers[name].append(float(process.stdout.readline()))
    return answers
