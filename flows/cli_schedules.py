"""The commands of every night: serve, watch."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from flows import options as opt
from flows.console import announce, at_work, complain, print_json
from flows.exit_codes import is_interruption
from nst_core.errors import NSTError

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
    output: opt.Output = None,
    only: opt.Only = None,
    device: opt.Device = None,
    stop_at: opt.StopAt = None,
    max_hours: opt.MaxHours = None,
    retry_failed: opt.RetryFailed = False,
    draft: opt.Draft = False,
    memory_limit: opt.Memory = None,
    set_: opt.Set = None,
    as_json: opt.AsJson = False,
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
            "memory_limit": memory_limit,
            "overrides": list(set_ or ()),
        },
    )

    def tell(served: dict[str, Any]) -> None:
        starting.stop()
        coming = served["next"]
        if as_json:
            print_json(served | {"next": coming and coming.isoformat(timespec="seconds")})
            return
        times = f"every {every:g} hours" if cron is None else f"{cron} ({timezone})"
        pages = served["api"].removesuffix("/api")
        announce(f"{served['deployment']}: {times}; shown at {pages}")
        if coming:
            from flows.firing import in_words  # noqa: PLC0415 # imports Prefect

            announce(f"next: {in_words(coming, now=datetime.now(UTC))}")

    with at_work("Prefect starts") as starting:
        raise typer.Exit(serving.serve(tell))


@app.command()
def watch(
    manifest: opt.OneManifest,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 60.0,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds without a change before anything is painted.")
    ] = 10.0,
    once: Annotated[
        bool, typer.Option("--once", help="One look, for cron: paint what came since the last.")
    ] = False,
    paint: Annotated[
        bool, typer.Option(help="Paint; or only tell a Prefect server, whose trigger paints.")
    ] = True,
    output: opt.Output = None,
    device: opt.Device = None,
    memory_limit: opt.Memory = None,
    as_json: opt.AsJson = False,
) -> None:
    """Notice new and changed pictures in the manifest's folders and prefixes, and paint them."""
    from flows.run import RunOptions  # noqa: PLC0415
    from flows.signals import leave_on_sigterm  # noqa: PLC0415
    from flows.watching import Lookout, tend  # noqa: PLC0415

    leave_on_sigterm()
    lookout = Lookout(manifest, output=output)
    options = RunOptions(output=output, device=device, memory_limit=memory_limit, quiet=as_json)

    def tell(told: dict[str, Any]) -> None:
        if as_json:
            print_json(told)
        else:
            words = ", ".join(f"{len(told[name])} {name}" for name in ("new", "changed", "gone"))
            announce(f"{lookout.collection}: {words}")

    if not (once or as_json):
        announce(f"watching what {manifest} names, a look every {every:g} s; Ctrl-C ends it")
    while True:
        try:
            code, told = tend(lookout, options, settle=settle, paint=paint)
        except NSTError as error:
            if once:
                raise
            complain(f"{error.code} {error}")  # a folder that is being emptied, an outage
        else:
            if once or told["noticed"]:
                tell(told)
            if once or is_interruption(code):
                raise typer.Exit(code)
        time.sleep(every)
