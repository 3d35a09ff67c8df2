"""A new style set is added to a manifest, and only its pairs are painted."""

from __future__ import annotations

import json
import sys

import pytest

from flows.exit_codes import ExitCode
from flows.restyling import RestyleError, chosen, restyled
from flows.run import RunOptions
from manifests.problems import ManifestError
from tasks.devices import DeviceError
from tasks.storage import store_for
from tests.flows.command import Nst
from tests.flows.toy_collection import draw

MANIFEST = """\
# My own words.
collection: toy
output: out
content_sets: {photos: [photos/*.png]}
style_sets:
  paintings: [paintings/*.png]   # the first
recipes:
  tiny: {preset: jcjohnson, size: 32, steps: [3], log_every: 1}
pairings:
  - {content: photos, style: [paintings], recipe: tiny}
"""


@pytest.fixture
def made(toy):
    """A toy collection with a manifest written by hand, and new paintings beside it."""
    made = toy()
    made.path.write_text(MANIFEST)
    draw(made.folder / "new" / "turner.png")
    return made


def test_only_the_new_pairs_are_to_be_painted(made):
    """Two photos with the new painting; the manifest on disk is as it was."""
    found = restyled(
        str(made.path), "turner", [str(made.folder / "new")], labels={"movement": "Romanticism"}
    )

    assert [pair.style_name for pair in found.pairs] == ["turner", "turner"]
    assert {pair.labels["movement"] for pair in found.pairs} == {"Romanticism"}
    assert made.path.read_text() == MANIFEST


def test_written_it_has_its_comments_and_relative_paths(made):
    """What its owner wrote is there, and the new set starts at the manifest's folder."""
    restyled(str(made.path), "turner", [str(made.folder / "new")], labels={}).write()

    text = made.path.read_text()
    assert text.startswith("# My own words.\n")
    assert "  paintings: [paintings/*.png]   # the first\n  turner: [new/]\n" in text


def test_a_link_to_a_manifest_stays_one(made, tmp_path):
    """Relative paths start where the link lies, as for every other command."""
    real = tmp_path / "kept elsewhere" / "toy.yaml"
    real.parent.mkdir()
    made.path.rename(real)
    made.path.symlink_to(real)

    found = restyled(str(made.path), "turner", [str(made.folder / "new")], labels={})
    found.write()

    assert len(found.pairs) == 2
    assert made.path.is_symlink()
    assert real.read_text() == found.text


def test_a_manifest_may_lie_at_the_root(made, monkeypatch):
    """As they do in containers."""
    text = MANIFEST.replace("photos/*", "gone/*")
    monkeypatch.setattr("flows.restyling.read_text", lambda _: text)

    with pytest.raises(ManifestError, match="gone"):
        restyled("/toy.yaml", "turner", [str(made.folder / "new")], labels={})


def test_a_folder_called_like_a_manner_names_it(made):
    """As for `nst new`; what is said on the command line goes before."""
    draw(made.folder / "watercolors" / "marin.png")
    folder = [str(made.folder / "watercolors")]

    named = restyled(str(made.path), "marin", folder, labels={})
    told = restyled(str(made.path), "marin", folder, labels={"technique": "Glazing"})

    assert "marin: {material: Watercolors, images: [watercolors/]}" in named.text
    assert {pair.labels.get("material") for pair in told.pairs} == {None}


def test_a_manifest_in_a_bucket_names_a_painting_on_this_machine_by_its_whole_path(made, bucket):
    """From where the manifest lies, no relative path leads here."""
    store = store_for(bucket)
    for path in (*made.folder.glob("photos/*"), *made.folder.glob("paintings/*"), made.path):
        name = path.relative_to(made.folder).as_posix()
        store.write(f"{bucket}/{name}", path.read_bytes())

    found = restyled(f"{bucket}/{made.path.name}", "turner", [str(made.folder / "new")], labels={})

    assert f"  turner: [{made.folder}/new/]\n" in found.text
    assert len(found.pairs) == 2


def test_whoever_wants_to_know_is_told_how_it_ended(made, tmp_path, monkeypatch):
    """As of every night; here there is no such device."""
    heard = tmp_path / "heard.json"
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    monkeypatch.setenv("NST_NOTIFY_COMMAND", f'{sys.executable} -c "{script}" "{heard}"')
    found = restyled(str(made.path), "turner", [str(made.folder / "new")], labels={})

    with pytest.raises(DeviceError):
        found.paint(RunOptions(device="nothing"))

    told = json.loads(heard.read_text())
    assert (told["manifest"], told["exit_code"]) == (str(made.path), ExitCode.ENVIRONMENT)


def test_a_set_is_named_once_and_may_have_several_paths():
    """Repeated for each of them."""
    assert chosen(["turner=a.jpg", "turner=b=c/"]) == ("turner", ["a.jpg", "b=c/"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["turner=a.jpg", "b.jpg"], "'b.jpg' is not like"),
        (["=a.jpg"], "'=a.jpg' is not like"),
        (["turner="], "'turner=' is not like"),
        (["b=1.jpg", "a=2.jpg"], "'b' and 'a' are several sets"),
    ],
)
def test_anything_else_is_refused(given, said):
    """With what would be right."""
    with pytest.raises(RestyleError, match=f"{said}.*say --style NAME=PATH"):
        chosen(given)


@pytest.mark.slow
def test_new_pictures_are_painted_and_nothing_else_is_touched(made, environ):
    """By restyle, then by a scan that finds one more painting: 0 repainted each time."""

    def nst(*arguments):
        command = Nst(*arguments, "--json", folder=made.folder, environ=environ)
        assert command.end() == 0, command.stderr
        return json.loads(command.stdout)

    def pictures():
        found = made.output.glob("toy/*.png")
        return {path.name: path.stat().st_mtime_ns for path in found}

    nst("run", "toy.yaml")
    before = pictures()
    plan = nst("restyle", "toy.yaml", "--style", "turner=new", "--dry-run")
    assert plan["counts"]["new"] == 2
    summary = nst("restyle", "toy.yaml", "--style", "turner=new")
    assert (summary["planned"], summary["complete"]) == (2, 2)
    assert before.items() <= pictures().items()

    assert nst("watch", "toy.yaml", "--once", "--settle", "0.1")["summary"]["kept"] == 4
    before = pictures()
    draw(made.folder / "new" / "constable.png")
    told = nst("watch", "toy.yaml", "--once", "--settle", "0.1")
    assert [one.rpartition("/")[2] for one in told["new"]] == ["constable.png"]
    assert (told["summary"]["kept"], told["summary"]["complete"]) == (4, 2)
    assert before.items() <= pictures().items()
    assert not nst("watch", "toy.yaml", "--once")["noticed"]
