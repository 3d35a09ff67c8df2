"""The commands on what is here: presets, schema, weights, doctor."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from flows import options as opt
from flows.console import at_work, print_json, print_text, standard_output
from flows.exit_codes import ExitCode
from manifests.wording import printable
from nst_core.networks import NETWORKS, network
from nst_core.presets import PRESETS
from tasks.settings import Settings

app = typer.Typer()
weights_app = typer.Typer(help="The networks' weights.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")


@app.command()
def presets(as_json: opt.AsJson = False) -> None:
    """List the recipes by name, what each is good for, and where its numbers come from."""
    if as_json:
        print_json(
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
    table = Table("preset", "good for", box=None, pad_edge=False)
    table.add_column("source", overflow="fold")  # names of repositories, to be pasted
    for name, row in PRESETS.items():
        table.add_row(f"[bold]{name}[/]", row.summary, f"[dim]{row.source}[/]")
    standard_output().print(table)


@app.command()
def schema(as_json: opt.AsJson = False) -> None:
    """Print the manifest's JSON schema, from which editors complete and check."""
    del as_json  # it is JSON in any case
    from manifests.json_schema import text  # noqa: PLC0415

    print_text(text())


@app.command()
def doctor(
    measure: Annotated[bool, typer.Option(help="Paint a few steps to measure.")] = True,
    tune: Annotated[
        bool, typer.Option("--tune", help="Find out how many slots pay, and remember it.")
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Tell what this machine has: devices, speeds, weights, stores."""
    from flows.doctor import examine  # noqa: PLC0415

    with at_work("measuring this machine"):
        report = examine(Settings.from_environment(), measure=measure, tuned=tune)
    if as_json:
        print_json(report)
        return
    console = standard_output()
    for section, facts in report.items():
        console.print(f"[bold]{section}[/]")
        for line in lines_of(facts):
            console.print(f"  {printable(line)}", markup=False, highlight=False)


@weights_app.command("list")
def weights_list(as_json: opt.AsJson = False) -> None:
    """List the networks and whether their weights are here."""
    from tasks.weights import weights_state  # noqa: PLC0415

    states = [weights_state(row) for row in NETWORKS.values()]
    if as_json:
        print_json({found.network.name: found.state for found in states})
        return
    table = Table("network", "weights", "", box=None, pad_edge=False)
    for found in states:
        table.add_row(found.network.name, found.state, found.remedy or found.network.title)
    standard_output().print(table)


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A network's name.")],
    source: Annotated[
        str | None,
        typer.Option("--from", help="A file, a folder or s3:// address that holds them already."),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Bring a network's weights here, checked against the published hash."""
    from tasks.weights import fetch_weights  # noqa: PLC0415

    with at_work(f"fetching {name}") as fetching:

        def tell(so_far: int, whole: int) -> None:
            of_all = f" of {whole / 1e6:.0f}" if whole else ""
            fetching.update(f"fetching {name}: {so_far / 1e6:.0f}{of_all} MB")

        path = fetch_weights(network(name), source=source, on_progress=tell)
    if as_json:
        print_json({"network": name, "path": str(path)})
    else:
        out = standard_output(soft_wrap=True)  # a path is pasted in one piece
        out.print(f"[green]✓[/] {name}: {printable(str(path))}")


@weights_app.command("verify")
def weights_verify(as_json: opt.AsJson = False) -> None:
    """Read all weights that are here and compare them with the published hashes."""
    from tasks.weights import weights_state  # noqa: PLC0415

    states = {name: weights_state(row).state for name, row in NETWORKS.items()}
    if as_json:
        print_json(states)
    else:
        for name, state in states.items():
            standard_output().print(f"{name}: {state}")
    damaged = "damaged" in states.values()
    raise typer.Exit(ExitCode.ENVIRONMENT if damaged else ExitCode.COMPLETE)


def lines_of(facts: Any) -> list[str]:
    """Return the facts of one section of the report as people read them."""
    if isinstance(facts, dict):
        lines = []
        for name, value in facts.items():
            many = value if isinstance(value, list) else [value]
            lines += [_told(name, one, between=": ") for one in many]
        return lines
    if isinstance(facts, list):
        return [_short(value) for value in facts]
    return [str(facts)]


def _told(name: str, value: Any, *, between: str) -> str:
    """Return a fact as people say it; its name may end in its unit."""
    words, _, unit = name.replace("_", " ").rpartition(" ")
    match unit:
        case "bytes":
            return f"{words or 'memory'}{between}{value / 1e9:.1f} GB"
        case "seconds":
            return f"{words or 'time'}{between}{_short(value)} s"
    return f"{name.replace('_', ' ')}{between}{_short(value)}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        if not any(value.values()):
            return "none"
        return ", ".join(_told(name, inner, between=" ") for name, inner in value.items())
    if isinstance(value, list):
        return "; ".join(map(_short, value))
    return str(value)
