"""One picture without a manifest: what is refused, and what is said of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flows.cli import main
from flows.commands import command_line
from flows.exit_codes import ExitCode
from flows.run import RunOptions
from flows.single import paint_one
from nst_core.errors import RecipeError
from tests.flows.toy_collection import draw

DIALS = {"preset": "gallery"}
PICTURES = ["photo.png", "painting.png"]


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
    options = {"preset": "gallery", "size": 512, "device": None, "set": ("seed=1",)}

    command = command_line("paint", "my cat.png", "monet.png", "-o", "out.png", options=options)

    assert command == (
        "nst paint 'my cat.png' monet.png -o out.png --preset gallery --size 512 --set seed=1"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [*PICTURES, "--set", "legibilty=off"],
            "E-MANIFEST-UNKNOWN --set legibilty: there is no 'legibilty';"
            " did you mean 'legibility'?",
        ),
        (
            [*PICTURES, "--set", "size"],
            "E-MANIFEST-SET --set 'size' is not like field=value; say --set size=512",
        ),
        (
            [*PICTURES, "--preset", "galery"],
            "E-RECIPE-PRESET nst paint preset: no preset 'galery'; did you mean 'gallery'?",
        ),
        (
            ["phoot.png", "painting.png"],
            "E-MANIFEST-NOMATCH nst paint: 'phoot.png' does not exist; did you mean 'photo.png'?",
        ),
        (
            ["photo.png"],
            "E-MANIFEST-READS nst paint: recipe 'gallery' reads a style picture",
        ),
        (
            [*PICTURES, "--preset", "dream-vgg"],
            "E-MANIFEST-READS nst paint style: recipe 'dream-vgg' reads no style picture;"
            " leave style out",
        ),
    ],
)
def test_a_slip_in_a_single_picture_is_told_as_it_was_typed(
    tmp_path, monkeypatch, capsys, words, said
):
    """Nobody wrote the manifest that stands behind it."""
    for name in PICTURES:
        draw(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nst", "paint", *words, "-o", "picture.png"])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "") == f"ERROR {said}\n"


def test_an_error_of_a_single_picture_is_told_once(monkeypatch, capsys):
    """By the display, when the pair ends."""
    ended = ExitCode.FAILED_PAIRS, {"picture": None, "error": "E-IMG-FORMAT: a.jpg: not a PNG"}
    monkeypatch.setattr("flows.single.paint_one", lambda *_, **__: ended)
    monkeypatch.setattr(sys, "argv", ["nst", "paint", "a.jpg", "b.jpg", "-o", "c.png"])

    with pytest.raises(SystemExit) as left:
        main()

    told = capsys.readouterr()
    assert left.value.code == ExitCode.FAILED_PAIRS
    assert (told.out, told.err) == ("", "")


def test_an_interrupted_picture_is_said_to_go_on(monkeypatch, capsys):
    """What is painted of it is kept."""
    ended = ExitCode.INTERRUPTED, {"picture": None, "error": None}
    monkeypatch.setattr("flows.single.paint_one", lambda *_, **__: ended)
    monkeypatch.setattr(sys, "argv", ["nst", "paint", "a.jpg", "b.jpg", "-o", "c.png"])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.INTERRUPTED
    assert capsys.readouterr().out == "not finished; the same command continues\n"
