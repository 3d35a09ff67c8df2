"""The commands that paint: run, paint."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import options as opt
from flows.console import announce, complain_of, counts, print_json
from flows.exit_codes import ExitCode, ends_a_round, gravest, of_error
from nst_core.errors import NSTError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer()

Manifests = Annotated[list[str], typer.Argument(help="One manifest or several; paths or s3://.")]


class EngineName(StrEnum):
    """What ``NST_ENGINE`` may be."""

    local = "local"
    ray = "ray"


Engine = Annotated[
    EngineName | None,
    typer.Option(help="Paint on this machine, or on the Ray cluster at RAY_ADDRESS."),
]


@app.command()
def run(
    manifests: Manifests,
    output: opt.Output = None,
    only: opt.Only = None,
    device: opt.Device = None,
    engine: Engine = None,
    stop_at: opt.StopAt = None,
    max_hours: opt.MaxHours = None,
    retry_failed: opt.RetryFailed = False,
    draft: opt.Draft = False,
    memory_limit: opt.Memory = None,
    set_: opt.Set = None,
    as_json: opt.AsJson = False,
) -> None:
    """Paint what is missing, publish it, report. The same command again continues.

    NST_NOTIFY_URL, a webhook, or NST_NOTIFY_COMMAND is told how it ended, in JSON.
    """
    from flows.notifying import errors_told, said  # noqa: PLC0415
    from flows.run import RunOptions  # noqa: PLC0415 # not every command starts slots
    from flows.run import run as run_one  # noqa: PLC0415

    options = RunOptions(
        output=output,
        only=only,
        device=device,
        engine=engine,
        stop_at=stop_at,
        max_hours=max_hours,
        retry_failed=retry_failed,
        draft=draft,
        memory_limit=memory_limit,
        overrides=tuple(set_ or ()),
        quiet=as_json,
        since=datetime.now(UTC),  # for all of them together
    )
    if len(manifests) > 1:  # before any of them is painted
        for manifest in manifests:
            with errors_told(manifest):
                _require_right(manifest, options.overrides)
    codes: list[ExitCode] = []
    summaries: list[dict[str, Any]] = []
    for manifest in manifests:
        try:
            code, summary = run_one(manifest, options)
        except NSTError as error:
            if len(manifests) == 1:
                raise
            # What is wrong with one output does not keep the others from their night.
            code = of_error(error)
            complain_of(error, about=manifest)
            summary = {"manifest": manifest, "exit_code": int(code), "error": said(error)}
        else:
            if not as_json:
                announce(counts(summary))
        codes.append(code)
        summaries.append(summary)
        if ends_a_round(code):
            break
    if as_json:
        print_json(summaries[0] if len(manifests) == 1 else {"collections": summaries})
    raise typer.Exit(gravest(codes))


def _require_right(manifest: str, overrides: Sequence[str]) -> None:
    """Raise what is wrong with a manifest; that a bucket does not give it now is told in its turn.

    Raises:
        NSTError: It is wrong, or not there.
    """
    from flows.sources import read_manifest  # noqa: PLC0415

    try:
        read_manifest(manifest, overrides=overrides)
    except NSTError as error:
        if of_error(error) is ExitCode.USAGE:
            raise


@app.command()
def paint(
    picture: Annotated[Path, typer.Option("-o", "--picture", help="Where the picture goes.")],
    content: Annotated[
        str | None, typer.Argument(help="The photo; none where the preset reads none.")
    ] = None,
    styles: Annotated[
        list[str] | None, typer.Argument(help="The painting, or several to blend; none for dreams.")
    ] = None,
    preset: Annotated[str, typer.Option(help="`nst presets` lists them.")] = "gallery",
    size: Annotated[int | None, typer.Option(min=16, help="Longest side in pixels.")] = None,
    device: opt.Device = None,
    memory_limit: opt.Memory = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the recipe.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Paint one picture, without a manifest."""
    from flows.run import RunOptions  # noqa: PLC0415
    from flows.single import paint_one  # noqa: PLC0415

    dials = {"preset": preset, **({"size": size} if size else {})}
    code, told = paint_one(
        content,
        styles or (),
        picture,
        dials=dials,
        overrides=set_ or (),
        options=RunOptions(device=device, memory_limit=memory_limit, quiet=as_json),
    )
    if as_json:
        print_json(told)
    elif told["picture"]:
        announce(f"the picture: {told['picture']}")
    elif not told["error"]:  # the display has told an error
        announce("not finished; the same command continues")
    raise typer.Exit(code)
