"""The examples: they read, they find what they speak of, and the quickstart brings its pictures."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from PIL import Image

import manifests
from manifests.planning import expand
from manifests.reader import read
from nst_core.networks import PackageFile, network

EXAMPLES = Path(manifests.__file__).parent / "examples"
PICTURES = sorted((EXAMPLES / "pictures").rglob("*.*"))


def find(pattern):
    """Return the pictures of a folder or pattern on the disk."""
    path = Path(pattern)
    if path.is_dir():
        return sorted(str(file) for file in path.iterdir())
    if path.is_file():
        return [pattern]
    return sorted(str(file) for file in Path("/").glob(pattern.lstrip("/")) if file.is_file())


def pairs_of(name, folder):
    """Return the pairs and the warnings of an example that was copied to a folder."""
    (folder / name).write_text((EXAMPLES / name).read_text())
    warnings = []
    return expand(read(folder / name), find, on_warning=warnings.append), list(map(str, warnings))


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_the_quickstart_paints_two_photos_in_three_styles():
    """With the pictures that lie beside it."""
    warnings = []
    pairs = expand(read(EXAMPLES / "quickstart.yaml"), find, on_warning=warnings.append)

    assert len(pairs) == 6
    assert warnings == []
    assert len({pair.content for pair in pairs}) == 2
    assert len({pair.labels["style_set"] for pair in pairs}) == 2
    assert {key for pair in pairs for key in pair.labels} >= {"movement", "technique", "subject"}
    assert all(len(pair.credits) == 2 for pair in pairs)


def test_every_job_is_planned_without_a_warning():
    """Each recipe once, with the pictures that lie beside it and weights that are installed."""
    warnings = []
    pairs = expand(read(EXAMPLES / "every_job.yaml"), find, on_warning=warnings.append)

    assert warnings == []
    assert len({pair.recipe_name for pair in pairs}) == len(pairs)
    assert {type(network(pair.recipe.network).source) for pair in pairs} == {PackageFile}


def test_the_quickstart_uses_all_the_pictures_that_are_there():
    """And no others; masks are for every job."""
    pairs = expand(read(EXAMPLES / "quickstart.yaml"), find)
    pictures = [path for path in PICTURES if path.parent.name != "masks"]

    assert {Path(where) for pair in pairs for where in pair.locations} == set(pictures)


def test_masks_of_the_examples_are_used():
    """Every job knows what they are for."""
    pairs = expand(read(EXAMPLES / "every_job.yaml"), find)
    masks = {mask.location for pair in pairs for _, mask in pair.masked}

    assert masks == {str(path) for path in PICTURES if path.parent.name == "masks"}


def test_the_pictures_are_small_sound_and_credited():
    """They travel with the program."""
    credits_given = (EXAMPLES / "CREDITS.md").read_text()

    assert sum(path.stat().st_size for path in PICTURES) <= 1_500_000
    for path in PICTURES:
        assert f"`{path.relative_to(EXAMPLES / 'pictures').as_posix()}`" in credits_given
        with Image.open(path) as picture:
            assert max(picture.size) <= 1024
            assert not picture.getexif()


NIGHT = [
    *("photos/faces/grandmother.jpg", "photos/faces/child.jpg", "photos/houses/gable.jpg"),
    *("photos/houses/draft-1.jpg", "photos/gardens/may/roses.jpg", "art/impressionism/monet.jpg"),
    *("art/expressionism/munch.jpg", "art/cubism/guernica.jpg", "art/cubism/gris.jpg"),
]


def test_nightly_pairs_movements_with_subjects(tmp_path):
    """Faces first, drafts and one pair left out, and everything it says is used."""
    touch(tmp_path, *NIGHT)
    pairs, warnings = pairs_of("nightly.yaml", tmp_path)

    assert warnings == []
    assert [pair.recipe_name for pair in pairs[:4]] == ["portrait"] * 4
    assert len(pairs) == 2 * 2 + (2 * 4 - 1) + 2 * 2
    assert {pair.credits for pair in pairs if pair.content_name == "grandmother"} == {
        ("from the family album",)
    }
    assert read(tmp_path / "nightly.yaml").finish_by == "07:00 Europe/Berlin"


def test_materials_shows_everything_a_recipe_can_say(tmp_path):
    """Dials, layers, terms, a blend, a texture without a photo."""
    touch(tmp_path, "photos/dog.jpg", "art/pencil/1.jpg", "art/pointillism/2.jpg")
    touch(tmp_path, "art/watercolor/homer.jpg", "art/watercolor/cross.jpg")
    pairs, warnings = pairs_of("materials.yaml", tmp_path)

    assert warnings == []
    assert sorted(pair.recipe_name for pair in pairs) == [
        "dots",
        "drawing",
        "impasto",
        "paper",
        "texture",
    ]
    assert {pair.content is None for pair in pairs if pair.recipe_name == "texture"} == {True}
    assert [len(pair.styles) for pair in pairs if pair.style_name == "watercolor"] == [2]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_is_half_explanation(path):
    """And tells editors where its schema lies."""
    lines = path.read_text().splitlines()
    explained = sum("#" in line for line in lines)
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", lines[0])

    assert match
    assert (EXAMPLES / match[1]).is_file()
    assert explained >= len([line for line in lines if line.strip()]) / 3
    assert max(map(len, lines)) <= 110
    assert not any(fnmatch(line, "*\t*") for line in lines)
