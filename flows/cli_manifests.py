"""The commands on a manifest: new, check, plan, restyle."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from flows import options as opt
from flows.console import (
    PLANNING,
    announce,
    at_work,
    print_error,
    print_json,
    standard_output,
    tell_plan,
    tell_summary,
)
from flows.exit_codes import OF_MACHINE, ExitCode
from manifests.wording import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer()

# More rows of a plan than anybody reads.
_ROWS = 200


@app.command()
def new(
    content: Annotated[list[str], typer.Option("--content", help="Folder of photos.")],
    style: Annotated[list[str], typer.Option("--style", help="Folder of paintings.")],
    manifest: Annotated[Path, typer.Option("-o", "--manifest", help="Where to write it.")] = Path(
        "manifest.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a manifest.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Write a commented manifest from folders of photos and of paintings."""
    from flows.new import write_new  # noqa: PLC0415

    new_one = write_new(manifest, contents=content, styles=style, overwrite=force)
    if as_json:
        labels = {name: dict([label]) for name, label in new_one.labels.items()}
        pairs = new_one.photos * new_one.paintings
        print_json({"manifest": str(manifest), "pairs": pairs, "labels": labels})
        return
    announce(f"wrote {manifest} for {new_one.count}")
    for name, (kind, said) in new_one.labels.items():
        announce(f"  {name}: {kind} {said}, by the name of its folder")
    where = shlex.quote(str(manifest))
    announce(f"next: nst check {where}  # every problem at once")
    announce(f"      nst plan {where}   # what there is to paint, and how long it takes")
    announce(f"      nst run {where}    # paints it")


@app.command()
def check(
    manifest: opt.OneManifest, output: opt.Output = None, as_json: opt.AsJson = False
) -> None:
    """Tell all that is wrong before anything starts: manifest, inputs, weights, disk, bucket."""
    from flows.checking import check as examine  # noqa: PLC0415

    with at_work("looking at the pictures"):
        problems = examine(manifest, output=output)
    if as_json:
        print_json({"manifest": manifest, "problems": problems})
    else:
        for problem in problems:
            level = "WARNING" if problem["kind"] == "warning" else "ERROR"
            print_error(f"{level} {problem['code']} {problem['message']}")
        if not _errors(problems):
            standard_output().print(f"[green]✓[/] {printable(manifest)}: nothing is wrong")
    raise typer.Exit(_code_of(problems))


@app.command()
def plan(
    manifest: opt.OneManifest,
    output: opt.Output = None,
    against: Annotated[
        str | None, typer.Option(help="An output to compare with, not the manifest's.")
    ] = None,
    only: opt.Only = None,
    device: opt.Device = None,
    memory_limit: opt.Memory = None,
    set_: opt.Set = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Slots of a cluster to simulate.")
    ] = None,
    cost_per_hour: Annotated[
        float | None, typer.Option(min=0, help="Of this machine, or of one worker.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Tell which pairs are new, kept, changed or orphaned, and what painting them takes."""
    from flows.forecast import forecast  # noqa: PLC0415
    from flows.run import RunOptions  # noqa: PLC0415

    options = RunOptions(
        output=output,
        only=only,
        device=device,
        memory_limit=memory_limit,
        overrides=tuple(set_ or ()),
    )
    with at_work(PLANNING):
        told = forecast(
            manifest, options, against=against, workers=workers, cost_per_hour=cost_per_hour
        )
    if as_json:
        print_json(told)
        return
    _print_plan(told)


@app.command()
def restyle(
    manifest: opt.OneManifest,
    style: Annotated[
        list[str], typer.Option("--style", help="NAME=PATH of the new set; repeat for more paths.")
    ],
    movement: Annotated[str | None, typer.Option(help="Of the set.")] = None,
    material: Annotated[str | None, typer.Option(help="Of the set.")] = None,
    technique: Annotated[str | None, typer.Option(help="Of the set.")] = None,
    pairing: Annotated[
        list[int] | None,
        typer.Option(help="Position of a pairing that gets it, from 0; all with styles if none."),
    ] = None,
    dry_run: opt.DryRun = False,
    device: opt.Device = None,
    memory_limit: opt.Memory = None,
    as_json: opt.AsJson = False,
) -> None:
    """Add a style set to a manifest, keeping its comments, and paint only the new pairs."""
    from flows.restyling import chosen, restyled  # noqa: PLC0415
    from flows.run import RunOptions  # noqa: PLC0415

    name, images = chosen(style)
    given = {"movement": movement, "material": material, "technique": technique}
    labels = {label: said for label, said in given.items() if said}
    new_one = restyled(manifest, name, images, labels=labels, pairings=pairing)
    options = RunOptions(device=device, memory_limit=memory_limit, quiet=as_json)
    if dry_run:
        tell_plan(lambda: new_one.plan(options), as_json=as_json)
        return
    new_one.write()
    code, summary = new_one.paint(options)
    tell_summary(summary, as_json=as_json)
    raise typer.Exit(code)


def _print_plan(told: dict[str, Any]) -> None:
    """Print a plan for people: a row for each pair, then what painting them takes."""
    console = standard_output()
    columns = {"state": "", "content_name": "content", "style_name": "style", "recipe": "recipe"}
    columns |= {"manner": "manner", "why": "why"}
    shown = told["pairs"][:_ROWS]
    table = Table(box=None, pad_edge=False)
    told_of = [name for name in columns if any(pair[name] for pair in shown)]
    for name in told_of:
        table.add_column(columns[name], overflow="fold")
    for pair in shown:
        # A picture's name may look like markup.
        table.add_row(*(Text(printable(str(pair[name] or ""))) for name in told_of))
    console.print(table)
    if (more := len(told["pairs"]) - _ROWS) > 0:
        console.print(f"and {more:,} more; --json lists them all", style="dim")
    console.print(printable(told["text"]), style="bold", markup=False)


def _errors(problems: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what stands in the way; a warning does not."""
    return [problem for problem in problems if problem["kind"] != "warning"]


def _code_of(problems: Sequence[dict[str, Any]]) -> ExitCode:
    errors = _errors(problems)
    if not errors:
        return ExitCode.COMPLETE
    is_machine = all(problem["kind"] in OF_MACHINE for problem in errors)
    return ExitCode.ENVIRONMENT if is_machine else ExitCode.USAGE
