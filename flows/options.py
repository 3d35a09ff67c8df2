"""Options that several commands have, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.settings import parse_size

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
OneManifest = Annotated[str, typer.Argument(help="The manifest, a path or s3:// address.")]
Output = Annotated[str | None, typer.Option("--output", help="In place of the manifest's output.")]
Only = Annotated[str | None, typer.Option(help="Glob over pairs, such as 'dog--*'.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="recipe.NAME.field=value; may be repeated.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, mps, cuda, cuda:0 or cuda:0,cuda:1.")]
StopAt = Annotated[str | None, typer.Option(help="Time of day to have everything saved: 07:00.")]
MaxHours = Annotated[float | None, typer.Option(min=0, help="The same as a duration.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try again what failed in earlier runs.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write and paint nothing, tell the plan.")]
Draft = Annotated[bool, typer.Option("--draft", help="Paint every pair small first, then refine.")]
Memory = Annotated[
    int | None,
    typer.Option(
        "--memory-limit",
        parser=parse_size,
        metavar="SIZE",
        help="Memory of each painting process, such as 6GB; by default what the device has free.",
    ),
]
