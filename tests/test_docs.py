"""The docs' galleries show everything, with records that are those of their pictures."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import manifests
from manifests.reader import read
from nst_core.manners import MANNERS, fitting
from tasks.records import Record
from tasks.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
JOBS = DOCS / "jobs"
RECORDS = sorted(JOBS.glob("*.json"))
EVERY_JOB = Path(manifests.__file__).parent / "examples" / "every_job.yaml"


def test_every_manner_is_on_a_sheet():
    """Each material, technique and movement is painted after a picture of its own."""
    sets = read(DOCS / "manners" / "manners.yaml").style_sets.values()
    found = [fitting(filter(None, (one.material, one.technique, one.movement))) for one in sets]

    assert sorted(filter(None, found)) == sorted(MANNERS)
    assert (DOCS / "manners" / "materials.webp").is_file()
    assert (DOCS / "manners" / "movements.webp").is_file()


def test_pictures_of_the_manners_are_small_and_credited():
    """With the first digits of their hashes."""
    told = (DOCS / "manners" / "README.md").read_text()
    pictures = DOCS / "manners" / "pictures"
    paths = sorted(pictures.rglob("*.jpg"))

    assert len(paths) > len(MANNERS)
    for path in paths:
        assert path.stat().st_size < 100_000
        row = re.search(rf"\| `{path.relative_to(pictures)}` .*", told)
        assert row, path
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] in row[0]


def test_every_setting_is_explained():
    """The table of environment variables is what the settings say of themselves."""
    told = (DOCS / "operations" / "settings.md").read_text()
    rows = [f"| `{variable}` | {meaning} |" for variable, meaning in Settings.explain()]

    assert re.findall(r"^\| `.*", told, re.MULTILINE) == rows


def test_every_recipe_has_its_record():
    """As `jobs.yaml` has them, one for each value of a sweep."""
    recipes = read(JOBS / "jobs.yaml").recipes
    painted = {Record.decode(path.read_bytes(), name=path.name).recipe_name for path in RECORDS}

    assert {name.partition(",")[0] for name in painted} == set(recipes)


def test_every_job_of_the_example_is_shown():
    """What CI paints in small."""
    kinds = {recipe.preset for recipe in read(EVERY_JOB).recipes.values()}
    shown = {recipe.preset for recipe in read(JOBS / "jobs.yaml").recipes.values()}

    assert kinds <= shown


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_that_of_the_picture_beside_it(path):
    """To the byte, and it names no place of the machine that painted it."""
    record = Record.decode(path.read_bytes(), name=path.name)
    picture = JOBS / Path(record.files["picture"].file).name

    assert hashlib.sha256(picture.read_bytes()).hexdigest() == record.files["picture"].sha256
    assert all(where.startswith("/nst-gallery/") for where in record.locations if where)
