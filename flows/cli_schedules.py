"""The commands of every night: serve."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.console import AsJson, announce, print_json
from tasks.printable import printable

app = typer.Typer()


@app.command()
def serve(
    manifests: Annotated[list[str], typer.Argument(help="Painted one after the other.")],
    cron: Annotated[
        str | None, typer.Option(help="When: minute, hour, day, month, weekday: '0 22 * * *'.")
    ] = None,
    every: Annotated[
        float | None, typer.Option(min=0.001, help="In place of --cron: so many hours apart.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="Of --cron, such as Europe/Berlin.")] = "UTC",
    grace: Annotated[
        float, typer.Option(min=0, help="Minutes; a night that begins later is skipped.")
    ] = 60.0,
    name: Annotated[
        str | None, typer.Option(help="Of the schedule; the collection's if not given.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where Prefect's pages are shown.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="In place of the manifest's output.")] = None,
    only: Annotated[str | None, typer.Option(help="Glob over pairs, such as 'dog--*'.")] = None,
    device: Annotated[str | None, typer.Option(help="As for nst run.")] = None,
    stop_at: Annotated[
        str | None, typer.Option(help="Time of day to have everything saved: 07:00.")
    ] = None,
    max_hours: Annotated[float | None, typer.Option(min=0, help="The same as a duration.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed in earlier nights.")
    ] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="Paint every pair small first, then refine.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="recipe.NAME.field=value.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Paint every night what is new: `nst run` on a schedule, from this one process."""
    from flows.serving import Serving, When, named  # noqa: PLC0415
    from flows.sources import absolute  # noqa: PLC0415

    when = When(cron=cron, hours=every, timezone=timezone, grace_minutes=grace)
    serving = Serving(
        name=name or named(manifests),
        manifests=[absolute(manifest) for manifest in manifests],
        when=when,
        port=port,
        parameters={
            "output": output and absolute(output),
            "only": only,
            "device": device,
            "stop_at": stop_at,
            "max_hours": max_hours,
            "retry_failed": retry_failed,
            "draft": draft,
            "overrides": list(set_ or ()),
        },
    )

    def tell(served: dict[str, Any]) -> None:
        if as_json:
            print_json(served)
        else:
            times = f"every {every:g} hours" if cron is None else f"{cron} ({timezone})"
            announce(printable(f"{served['deployment']}: {times}; Prefect at {served['api']}"))

    raise typer.Exit(serving.serve(tell))
