"""The docs' own galleries, from finished outputs: what each manner and each job looks like.

    nst run docs/manners/manners.yaml && python benchmarks/showcase.py manners out/manners
    nst run docs/jobs/jobs.yaml && python benchmarks/showcase.py jobs out/jobs

The first writes the two sheets of docs/manners; the second copies pictures, records and comparison
sheets into docs/jobs and lists them in its README.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from tasks.catalogue import SHEETS
from tasks.lettering import INK, font
from tasks.output import Output
from tasks.records import Record

DOCS = Path(__file__).parents[1] / "docs"
SHEET_WIDTH = 1400
ACROSS, LARGE, SMALL, GAP, LINE = 3, 384, 128, 8, 30

JOBS_HEAD = """\
# One example of every job and control

`nst run docs/jobs/jobs.yaml` paints them, one CPU core each.
`python benchmarks/showcase.py jobs out/jobs` writes this page.
The records are as the run left them, but that they call the checkout `/nst-gallery`.
Sweeps are small; a picture that belongs to several has its record in one of them.
Credits stand in the records.

| job or control | picture | record | manifest |
|---|---|---|---|
"""


def manners(output: Output) -> None:
    """Write one sheet of the materials and techniques, and one of the movements."""
    records = sorted(output.records(), key=lambda record: record.labels["manner"])
    for kind, is_movement in (("materials", False), ("movements", True)):
        blocks = [
            _block(record, output.root)
            for record in records
            if ("movement" in record.labels) is is_movement
        ]
        heights = [
            max(block.height for block in blocks[start : start + ACROSS])
            for start in range(0, len(blocks), ACROSS)
        ]
        step = SMALL + GAP + LARGE + 3 * GAP
        sheet = Image.new("RGB", (ACROSS * step - 3 * GAP, sum(heights)), "white")
        for place, block in enumerate(blocks):
            line, column = divmod(place, ACROSS)
            sheet.paste(block, (column * step, sum(heights[:line])))
        sheet.save(DOCS / "manners" / f"{kind}.webp", quality=85, method=6)


def _block(record: Record, root: Path) -> Image.Image:
    """Return a picture, with its originals small to its left and its manner below."""
    small = [_fitted(Path(where), (SMALL, SMALL)) for where in record.locations if where]
    large = _fitted(root / record.files["picture"].file, (LARGE, LARGE))
    height = max(large.height + LINE, sum(one.height + GAP for one in small)) + GAP
    block = Image.new("RGB", (SMALL + GAP + LARGE, height), "white")
    top = 0
    for one in small:
        block.paste(one, (0, top))
        top += one.height + GAP
    block.paste(large, (SMALL + GAP, 0))
    place = (SMALL + GAP, large.height + 4)
    ImageDraw.Draw(block).text(place, record.labels["manner"], INK, font(18))
    return block


def _fitted(path: Path, box: tuple[int, int]) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.contain(picture.convert("RGB"), box, Image.Resampling.LANCZOS)


def jobs(output: Output) -> None:
    """Copy pictures, records and comparison sheets, and list them."""
    folder = DOCS / "jobs"
    for old in (*folder.glob("*.webp"), *folder.glob("*.json")):
        old.unlink()
    lines = (folder / "jobs.yaml").read_text().splitlines()
    painted: dict[str, list[Record]] = defaultdict(list)
    for record in output.records():
        name = record.recipe_name.partition(",")[0]
        painted[name].append(record)
        # A sheet has the pictures on the way.
        shown_alone = {"picture"} if _sheets(output, name) else {"picture", "frames"}
        for role in shown_alone & record.files.keys():
            shutil.copy(output.root / record.files[role].file, folder)
        (folder / Path(record.file).name).write_bytes(_portable(output.root / record.file))
    rows = []
    for number, line in enumerate(lines, start=1):
        found = re.match(r"  ([\w-]+):", line)
        if not found or found[1] not in painted or "recipes:" not in lines[:number]:
            continue
        name = found[1]
        shown = [_sheet(path, folder) for path in _sheets(output, name)] or [
            Path(record.files.get("frames", record.files["picture"]).file).name
            for record in painted[name]
        ]
        pictures = " ".join(f'<img src="{one}" height="160" alt="{name}">' for one in shown)
        told = " ".join(
            f"[{record.recipe_name.partition(', ')[2] or 'record'}]({Path(record.file).name})"
            for record in painted[name]
        )
        link = f"[line {number}](jobs.yaml#L{number})"
        rows.append(f"| {name.replace('-', ' ')} | {pictures} | {told} | {link} |")
    (folder / "README.md").write_text(JOBS_HEAD + "\n".join(rows) + "\n")


def _portable(path: Path) -> bytes:
    """Return a record whose originals lie in a checkout that has no machine's name."""
    said = re.sub(
        r'"/[^"]*/(docs/manners|manifests/examples)/', r'"/nst-gallery/\1/', path.read_text()
    )
    return Record.decode(said.encode(), name=path.name).encode()


def _sheets(output: Output, name: str) -> list[Path]:
    return sorted((output.root / SHEETS).glob(f"jobs.{name}--*.png"))


def _sheet(path: Path, folder: Path) -> str:
    with Image.open(path) as png:
        sheet = png.convert("RGB")
    sheet.thumbnail((SHEET_WIDTH, SHEET_WIDTH), Image.Resampling.LANCZOS)
    sheet.save(folder / f"{path.stem}.webp", quality=85, method=6)
    return f"{path.stem}.webp"


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["manners", "jobs"])
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    {"manners": manners, "jobs": jobs}[arguments.what](Output(arguments.output))


if __name__ == "__main__":
    main()
