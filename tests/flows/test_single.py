"""One picture without a manifest: what is refused before anything is painted."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.run import RunOptions
from flows.single import command_of, paint_one
from nst_core.errors import RecipeError
from tests.flows.toy_collection import draw

DIALS = {"preset": "gallery"}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with two photos and a painting."""
    for name in ("photos/cat.png", "photos/dog.png", "monet.png"):
        draw(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_not_one_picture(desk):
    """All of it would be painted for the sake of one."""
    with pytest.raises(RecipeError, match="these are 2 pictures") as caught:
        paint_one("photos", ["monet.png"], Path("x.png"), dials=DIALS, options=RunOptions())

    assert caught.value.code == "E-PAINT-SEVERAL"


@pytest.mark.parametrize("name", ["photos/cat.png", "photos/../monet.png"])
def test_no_original_is_painted_over(desk, name):
    """Neither the photo nor the painting, whatever the name that leads there."""
    before = (desk / name).read_bytes()

    with pytest.raises(RecipeError, match="painted from") as caught:
        paint_one("photos/cat.png", ["monet.png"], Path(name), dials=DIALS, options=RunOptions())

    assert caught.value.code == "E-PAINT-OVER"
    assert (desk / name).read_bytes() == before


def test_the_command_that_continues_is_the_one_that_was_typed():
    """Not one that runs a manifest, which nobody wrote."""
    options = {"preset": "gallery", "size": 512, "device": None}

    command = command_of(["my cat.png", "monet.png"], Path("out.png"), options, ["seed=1"])

    assert command == (
        "nst paint 'my cat.png' monet.png -o out.png --preset gallery --size 512 --set seed=1"
    )
