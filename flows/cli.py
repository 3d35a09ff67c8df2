"""The `nst` command: thin; every command says what it does and calls the room that does it."""

from __future__ import annotations

import logging
import shlex
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows import cli_machine as machine
from flows import cli_outputs as outputs
from flows import cli_schedules as schedules
from flows import logs
from flows import options as opt
from flows.console import (
    PLANNING,
    announce,
    at_work,
    complain,
    counts,
    print_error,
    print_json,
    tell_plan,
    tell_summary,
)
from flows.exit_codes import ExitCode, ends_a_round, gravest, of_error
from manifests.problems import ManifestError
from manifests.wording import printable
from nst_core.errors import NSTError
from tasks.settings import parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

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
app.add_typer(outputs.app)
app.add_typer(machine.app)
app.add_typer(schedules.app)

# More rows of a plan than anybody reads.
_ROWS = 200

Manifests = Annotated[list[str], typer.Argument(help="One manifest or several; paths or s3://.")]
Memory = Annotated[
    int | None,
    typer.Option(
        "--memory-limit",
        parser=parse_size,
        metavar="SIZE",
        help="Memory of each painting process, such as 6GB; by default what the device has free.",
    ),
]


class EngineName(StrEnum):
    """What ``NST_ENGINE`` may be."""

    local = "local"
    ray = "ray"


Engine = Annotated[
    EngineName | None,
    typer.Option(help="Paint on this machine, or on the Ray cluster at RAY_ADDRESS."),
]


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    logs.configure()
    try:
        code = app(standalone_mode=False)  # what a typer.Exit says comes back as a value
    except typer.Abort:
        sys.exit(ExitCode.INTERRUPTED)
    except ManifestError as error:
        for problem in error.problems:
            print_error(str(problem))
        sys.exit(ExitCode.USAGE)
    except (NSTError, KeyboardInterrupt) as error:
        if isinstance(error, NSTError):
            complain(f"{error.code} {error}")
        sys.exit(of_error(error))
    except Exception as error:
        if (usage := getattr(error, "exit_code", None)) is not None:  # the parser's own errors
            # A missing argument has no message of its own.
            told = error.format_message() if hasattr(error, "format_message") else str(error)
            complain(told.rstrip("."))
            sys.exit(usage)
        logging.getLogger(__name__).critical("this is a fault of nst-gallery", exc_info=error)
        sys.exit(ExitCode.INTERNAL)
    sys.exit(code or ExitCode.COMPLETE)


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
    memory_limit: Memory = None,
    set_: opt.Set = None,
    as_json: opt.AsJson = False,
) -> None:
    """Paint what is missing, publish it, report. The same command again continues.

    NST_NOTIFY_URL, a webhook, or NST_NOTIFY_COMMAND is told how it ended, in JSON.
    """
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
    )
    codes: list[ExitCode] = []
    summaries: list[dict[str, Any]] = []
    for manifest in manifests:
        code, summary = run_one(manifest, options)
        codes.append(code)
        summaries.append(summary)
        if not as_json:
            announce(counts(summary))
        if ends_a_round(code):
            break
    if as_json:
        print_json(summaries[0] if len(manifests) == 1 else {"collections": summaries})
    raise typer.Exit(gravest(codes))


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
            Console().print(f"[green]✓[/] {printable(manifest)}: nothing is wrong")
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
    memory_limit: Memory = None,
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
    console = Console()
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
    as_json: opt.AsJson = False,
) -> None:
    """Add a style set to a manifest, keeping its comments, and paint only the new pairs."""
    from flows.restyling import chosen, restyled  # noqa: PLC0415
    from flows.run import RunOptions  # noqa: PLC0415

    name, images = chosen(style)
    given = {"movement": movement, "material": material, "technique": technique}
    labels = {label: said for label, said in given.items() if said}
    new_one = restyled(manifest, name, images, labels=labels, pairings=pairing)
    options = RunOptions(device=device, quiet=as_json)
    if dry_run:
        tell_plan(lambda: new_one.plan(options), as_json=as_json)
        return
    new_one.write()
    code, summary = new_one.paint(options)
    tell_summary(summary, as_json=as_json)
    raise typer.Exit(code)


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
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the recipe.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Paint one picture, without a manifest."""
    from flows.single import paint_one  # noqa: PLC0415

    dials = {"preset": preset, **({"size": size} if size else {})}
    code, told = paint_one(
        content,
        styles or (),
        picture,
        dials=dials,
        overrides=set_ or (),
        device=device,
        quiet=as_json,
    )
    if as_json:
        print_json(told)
    elif told["picture"]:
        announce(f"the picture: {told['picture']}")
    elif not told["error"]:  # the display has told an error
        announce("not finished; the same command continues")
    raise typer.Exit(code)


def _errors(problems: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what stands in the way; a warning does not."""
    return [problem for problem in problems if problem["kind"] != "warning"]


def _code_of(problems: Sequence[dict[str, Any]]) -> ExitCode:
    errors = _errors(problems)
    if not errors:
        return ExitCode.COMPLETE
    is_environment = all(problem["kind"] == "environment" for problem in errors)
    return ExitCode.ENVIRONMENT if is_environment else ExitCode.USAGE
