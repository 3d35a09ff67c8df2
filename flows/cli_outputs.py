"""The commands on finished outputs: verify, gallery, enlarge, upload, prune."""

from __future__ import annotations

from typing import Annotated

import typer

from flows import options as opt
from flows.console import (
    announce,
    complain,
    print_error,
    print_json,
    standard_output,
    tell_plan,
    tell_summary,
)
from flows.exit_codes import ExitCode
from manifests.wording import counted, printable

app = typer.Typer()

OutputFolder = Annotated[str, typer.Argument(help="Output folder or s3://bucket/prefix.")]


@app.command()
def verify(
    output: OutputFolder,
    repair: Annotated[bool, typer.Option("--repair", help="Paint again what is damaged.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Read every file of an output again and compare it with its record."""
    from flows.repairing import repaired, verified  # noqa: PLC0415
    from flows.sources import painted_folder  # noqa: PLC0415

    root = painted_folder(output)
    found = verified(root)
    if as_json:
        print_json(found)
    else:
        for finding in found["findings"]:
            # A stray damages nothing.
            level = "WARNING" if finding["problem"] == "stray" else "ERROR"
            print_error(f"{level} {finding['problem']} {finding['file']}: {finding['message']}")
        standard_output().print(
            f"{found['pairs']} pairs, {found['files']} files,"
            f" {found['bytes'] / 1e6:.1f} MB read: {len(found['damaged'])} damaged"
        )
    if repair and found["damaged"]:
        raise typer.Exit(repaired(root, quiet=as_json))
    raise typer.Exit(ExitCode.FAILED_PAIRS if found["damaged"] else ExitCode.COMPLETE)


@app.command()
def gallery(
    output: OutputFolder,
    sheets: Annotated[
        bool, typer.Option("--sheets", help="Also contact sheets to print, PNG and PDF.")
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Rebuild the gallery page from the records."""
    from flows.sources import painted_folder  # noqa: PLC0415
    from tasks.gallery import build  # noqa: PLC0415
    from tasks.output import Output  # noqa: PLC0415
    from tasks.sheets import write_contact_sheets  # noqa: PLC0415

    root = painted_folder(output)
    printed = write_contact_sheets(Output(root)) if sheets else []
    paths = [build(root), *printed]  # the page names the sheets that are there
    if as_json:
        print_json({"page": str(paths[0]), "sheets": [str(path) for path in paths[1:]]})
        return
    for path in paths:
        standard_output(soft_wrap=True).print(printable(str(path)), markup=False, highlight=False)


@app.command()
def enlarge(
    output: OutputFolder,
    picks: Annotated[
        list[str],
        typer.Option(
            help="The gallery page's picks.json, a picture's name, or a pattern such as"
            " 'dog--*'; may be repeated."
        ),
    ],
    size: Annotated[int | None, typer.Option(min=16, help="Longest side in pixels.")] = None,
    paper: Annotated[
        str | None, typer.Option(help="Or the sheet to fit on: a3, letter, 300x400mm.")
    ] = None,
    dpi: Annotated[int, typer.Option(min=30, max=2400, help="Dots per inch on paper.")] = 300,
    device: opt.Device = None,
    stop_at: opt.StopAt = None,
    memory_limit: opt.Memory = None,
    retry_failed: opt.RetryFailed = False,
    dry_run: opt.DryRun = False,
    as_json: opt.AsJson = False,
) -> None:
    """Paint picks again at print size, from the finished pictures on: the paint gets finer."""
    from flows.enlarging import PrintOrder, plan  # noqa: PLC0415
    from flows.enlarging import enlarge as paint_larger  # noqa: PLC0415
    from flows.run import RunOptions  # noqa: PLC0415

    order = PrintOrder(output=output, picks=tuple(picks), size=size, paper=paper, dpi=dpi)
    options = RunOptions(
        device=device,
        stop_at=stop_at,
        memory_limit=memory_limit,
        retry_failed=retry_failed,
        quiet=as_json,
    )
    if dry_run:
        tell_plan(lambda: plan(order, options), as_json=as_json)
        return
    code, summary = paint_larger(order, options)
    tell_summary(summary, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def upload(output: OutputFolder, as_json: opt.AsJson = False) -> None:
    """Bring what is painted and still waits to its bucket."""
    from flows.uploading import drain  # noqa: PLC0415

    drained = drain(output)
    told = {"uploaded": list(drained.uploaded), "waiting": list(drained.waiting)}
    if as_json:
        print_json(told)
    else:
        standard_output().print(f"{len(drained.uploaded)} uploaded, {len(drained.waiting)} wait")
    if drained.stopped:
        complain(str(drained.stopped))
    raise typer.Exit(ExitCode.NOT_UPLOADED if drained.waiting else ExitCode.COMPLETE)


@app.command()
def prune(
    output: Annotated[str, typer.Argument(help="Output folder, s3://bucket/prefix or manifest.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it, only list.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """List the pictures that the manifest does not ask for any more; remove them with --yes."""
    from flows.pruning import orphans  # noqa: PLC0415

    found = orphans(output)
    if yes:
        found.remove()
    if as_json:
        print_json({"orphans": found.as_json(), "removed": yes})
        return
    for one in found.as_json():
        announce(one["picture"])
    said = "removed" if yes else "nobody asks for; --yes removes them"
    many = counted(len(found.records), "picture")
    announce(f"{many} {said}" if found.records else "nothing to prune")
