"""The `nst` command: thin; every command says what it does and calls the room that does it."""

from __future__ import annotations

import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from flows.exit_codes import ExitCode, gravest, of_error
from manifests.problems import ManifestError
from nst_core.errors import NSTError
from nst_core.networks import NETWORKS, network
from nst_core.presets import PRESETS
from tasks.locations import is_remote
from tasks.printable import printable
from tasks.redaction import RedactingFilter, redact
from tasks.settings import Settings

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
weights_app = typer.Typer(help="The networks' weights.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")

Manifests = Annotated[list[str], typer.Argument(help="One manifest or several; paths or s3://.")]
OneManifest = Annotated[str, typer.Argument(help="The manifest, a path or s3:// address.")]
OutputFolder = Annotated[str, typer.Argument(help="Output folder or s3://bucket/prefix.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
OutputOption = Annotated[
    str | None, typer.Option("--output", help="In place of the manifest's output.")
]
Only = Annotated[str | None, typer.Option(help="Glob over pairs, such as 'dog--*'.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="recipe.NAME.field=value; may be repeated.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, mps, cuda, cuda:0 or cuda:0,cuda:1.")]


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    handler = RichHandler(console=Console(stderr=True), show_path=False, show_time=False)
    handler.addFilter(RedactingFilter())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    try:
        code = app(standalone_mode=False)  # what a typer.Exit says comes back as a value
    except typer.Abort:
        sys.exit(ExitCode.INTERRUPTED)
    except ManifestError as error:
        for problem in error.problems:
            _print_error(str(problem))
        sys.exit(ExitCode.USAGE)
    except (NSTError, KeyboardInterrupt) as error:
        if isinstance(error, NSTError):
            _complain(f"{error.code} {error}")
        sys.exit(of_error(error))
    except Exception as error:
        if (usage := getattr(error, "exit_code", None)) is not None:  # the parser's own errors
            _complain(str(getattr(error, "message", error)))
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
    output: OutputOption = None,
    only: Only = None,
    device: Device = None,
    stop_at: Annotated[
        str | None, typer.Option(help="Time of day to have everything saved: 07:00.")
    ] = None,
    max_hours: Annotated[float | None, typer.Option(min=0, help="The same as a duration.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed in earlier runs.")
    ] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="Paint every pair small first, then refine.")
    ] = False,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Paint what is missing, publish it, report. The same command again continues."""
    from flows.run import RunOptions  # noqa: PLC0415 # not every command starts slots
    from flows.run import run as run_one  # noqa: PLC0415

    options = RunOptions(
        output=output,
        only=only,
        device=device,
        stop_at=stop_at,
        max_hours=max_hours,
        retry_failed=retry_failed,
        draft=draft,
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
            _tell(summary)
        if code in {ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.DEADLINE}:
            break
    if as_json:
        _print_json(summaries[0] if len(manifests) == 1 else {"collections": summaries})
    raise typer.Exit(gravest(codes))


@app.command()
def check(manifest: OneManifest, output: OutputOption = None, as_json: AsJson = False) -> None:
    """Tell all that is wrong before anything starts: manifest, inputs, weights, disk, bucket."""
    from flows.checking import check as examine  # noqa: PLC0415

    problems = examine(manifest, output=output)
    if as_json:
        _print_json({"manifest": manifest, "problems": problems})
    else:
        for problem in problems:
            _complain(f"{problem['code']} {problem['message']}")
        if not problems:
            Console().print(f"[green]✓[/] {printable(manifest)}: nothing is wrong")
    raise typer.Exit(_code_of(problems))


@app.command()
def plan(
    manifest: OneManifest,
    output: OutputOption = None,
    only: Only = None,
    device: Device = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Tell which pairs are new, kept, changed or orphaned, and what painting them takes."""
    from flows.forecast import forecast  # noqa: PLC0415

    told = forecast(manifest, output=output, only_pairs=only, device=device, overrides=set_ or ())
    if as_json:
        _print_json(told)
        return
    console = Console()
    table = Table("", "content", "style", "recipe", "why", box=None, pad_edge=False)
    for pair in told["pairs"]:
        row = (pair["state"], pair["content_name"], pair["style_name"], pair["recipe"], pair["why"])
        table.add_row(*(printable(str(cell or "")) for cell in row))
    console.print(table)
    console.print(printable(told["text"]), style="bold", markup=False)


@app.command()
def new(
    content: Annotated[list[str], typer.Option("--content", help="Folder of photos.")],
    style: Annotated[list[str], typer.Option("--style", help="Folder of paintings.")],
    manifest: Annotated[Path, typer.Option("-o", "--manifest", help="Where to write it.")] = Path(
        "manifest.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a manifest.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented manifest from folders of photos and of paintings."""
    from flows.new import write_new  # noqa: PLC0415

    write_new(manifest, contents=content, styles=style, overwrite=force)
    if as_json:
        _print_json({"manifest": str(manifest)})
    else:
        name = printable(str(manifest))
        Console().print(f"wrote {name}; now: nst run {name}", markup=False, highlight=False)


@app.command()
def paint(
    content: Annotated[str, typer.Argument(help="The photo.")],
    styles: Annotated[list[str], typer.Argument(help="The painting, or several to blend.")],
    picture: Annotated[Path, typer.Option("-o", "--picture", help="Where the picture goes.")],
    preset: Annotated[str, typer.Option(help="`nst presets` lists them.")] = "gallery",
    size: Annotated[int | None, typer.Option(help="Of the picture, in pixels.")] = None,
    device: Device = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the recipe.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Paint one picture, without a manifest."""
    from flows.single import paint_one  # noqa: PLC0415

    dials = {"preset": preset, **({"size": size} if size else {})}
    code, told = paint_one(
        content, styles, picture, dials=dials, overrides=set_ or (), device=device, quiet=as_json
    )
    if as_json:
        _print_json(told)
    elif told["picture"]:
        Console().print(f"[green]✓[/] {printable(told['picture'])}")
    elif told["error"]:
        _complain(told["error"])
    raise typer.Exit(code)


@app.command()
def verify(
    output: OutputFolder,
    repair: Annotated[bool, typer.Option("--repair", help="Paint again what is damaged.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read every file of an output again and compare it with its record."""
    from flows.repairing import repaired, verified  # noqa: PLC0415

    root = _local(output)
    found = verified(root)
    if as_json:
        _print_json(found)
    else:
        for finding in found["findings"]:
            _complain(f"{finding['problem']} {finding['file']}: {finding['message']}")
        Console().print(
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
    as_json: AsJson = False,
) -> None:
    """Rebuild the gallery page from the records."""
    from tasks.gallery import build  # noqa: PLC0415
    from tasks.output import Output  # noqa: PLC0415
    from tasks.sheets import write_contact_sheets  # noqa: PLC0415

    root = _local(output)
    paths = [build(root), *(write_contact_sheets(Output(root)) if sheets else ())]
    if as_json:
        _print_json({"page": str(paths[0]), "sheets": [str(path) for path in paths[1:]]})
        return
    for path in paths:
        Console(soft_wrap=True).print(printable(str(path)), markup=False, highlight=False)


@app.command()
def upload(output: OutputFolder, as_json: AsJson = False) -> None:
    """Bring what is painted and still waits to its bucket."""
    from flows.uploading import drain  # noqa: PLC0415

    drained = drain(output)
    told = {"uploaded": list(drained.uploaded), "waiting": list(drained.waiting)}
    if as_json:
        _print_json(told)
    else:
        Console().print(f"{len(drained.uploaded)} uploaded, {len(drained.waiting)} wait")
        if drained.stopped:
            _complain(str(drained.stopped))
    raise typer.Exit(ExitCode.NOT_UPLOADED if drained.waiting else ExitCode.COMPLETE)


@app.command()
def presets(as_json: AsJson = False) -> None:
    """List the recipes by name, what each is good for, and where its numbers come from."""
    if as_json:
        _print_json(
            {
                name: {
                    "summary": row.summary,
                    "source": row.source,
                    "recipe": row.recipe.parameters(),
                }
                for name, row in PRESETS.items()
            }
        )
        return
    table = Table("preset", "good for", "source", box=None, pad_edge=False)
    for name, row in PRESETS.items():
        table.add_row(f"[bold]{name}[/]", row.summary, f"[dim]{row.source}[/]")
    Console().print(table)


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the manifest's JSON schema, from which editors complete and check."""
    del as_json  # it is JSON in any case
    from manifests.json_schema import text  # noqa: PLC0415

    sys.stdout.write(text())


@app.command()
def doctor(
    measure: Annotated[bool, typer.Option(help="Paint a few steps to measure.")] = True,
    as_json: AsJson = False,
) -> None:
    """Tell what this machine has: devices, speeds, weights, stores."""
    from flows.doctor import examine  # noqa: PLC0415

    report = examine(Settings.from_environment(), measure=measure)
    if as_json:
        _print_json(report)
        return
    console = Console()
    for section, facts in report.items():
        console.print(f"[bold]{section}[/]")
        for line in _lines(facts):
            console.print(f"  {printable(line)}", markup=False, highlight=False)


@weights_app.command("list")
def weights_list(as_json: AsJson = False) -> None:
    """List the networks and whether their weights are here."""
    from tasks.weights import weights_state  # noqa: PLC0415

    states = [weights_state(row) for row in NETWORKS.values()]
    if as_json:
        _print_json({found.network.name: found.state for found in states})
        return
    table = Table("network", "weights", "", box=None, pad_edge=False)
    for found in states:
        table.add_row(found.network.name, found.state, found.remedy or found.network.title)
    Console().print(table)


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A network's name.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A file that holds them already.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a network's weights here, checked against the published hash."""
    from tasks.weights import fetch_weights  # noqa: PLC0415

    path = fetch_weights(network(name), source=source)
    if as_json:
        _print_json({"network": name, "path": str(path)})
    else:
        Console().print(f"[green]✓[/] {name}: {printable(str(path))}")


@weights_app.command("verify")
def weights_verify(as_json: AsJson = False) -> None:
    """Read all weights that are here and compare them with the published hashes."""
    from tasks.weights import weights_state  # noqa: PLC0415

    states = {name: weights_state(row).state for name, row in NETWORKS.items()}
    if as_json:
        _print_json(states)
    else:
        for name, state in states.items():
            Console().print(f"{name}: {state}")
    damaged = "damaged" in states.values()
    raise typer.Exit(ExitCode.ENVIRONMENT if damaged else ExitCode.COMPLETE)


def _local(output: str) -> Path:
    """Return the folder on this machine of an output, which may go to a bucket."""
    from tasks.upload import staging  # noqa: PLC0415

    return (
        staging(output, Settings.from_environment().scratch) if is_remote(output) else Path(output)
    )


def _tell(summary: dict[str, Any]) -> None:
    """Print the end of a run in one line."""
    counts = ", ".join(
        f"{word} {summary[word]}"
        for word in ("complete", "kept", "failed", "left")
        if summary[word]
    )
    Console().print(
        f"{printable(summary['collection'])}: {counts or 'nothing to paint'}", markup=False
    )


def _code_of(problems: Sequence[dict[str, Any]]) -> ExitCode:
    if not problems:
        return ExitCode.COMPLETE
    is_environment = all(problem["kind"] == "environment" for problem in problems)
    return ExitCode.ENVIRONMENT if is_environment else ExitCode.USAGE


def _lines(facts: Any) -> list[str]:
    if isinstance(facts, dict):
        return [f"{name}: {_short(value)}" for name, value in facts.items()]
    if isinstance(facts, list):
        return [_short(value) for value in facts]
    return [str(facts)]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "; ".join(map(_short, value))
    return str(value)


def _complain(line: str) -> None:
    _print_error(f"ERROR {line}")


def _print_error(line: str) -> None:
    Console(stderr=True, soft_wrap=True).print(
        printable(redact(line)), markup=False, highlight=False
    )


def _print_json(value: Any) -> None:
    sys.stdout.write(f"{json.dumps(value, ensure_ascii=False)}\n")
