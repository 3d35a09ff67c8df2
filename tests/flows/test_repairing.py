"""`nst verify` on a real output, and its repair."""

from __future__ import annotations

import pytest

from tests.flows.command import Nst
from tests.flows.toy_collection import ToyCollection, draw

pytestmark = pytest.mark.slow


@pytest.fixture
def damaged(tmp_path, environ):
    """An output of three pairs; one bit of a picture is flipped, another's loss log is gone."""
    collection = ToyCollection(tmp_path, contents=("cat", "dog", "eel"))
    command = Nst("run", "toy.yaml", folder=tmp_path, environ=environ)
    assert command.end(300) == 0, command.stderr
    before = files(collection)
    (picture,) = collection.output.glob("toy/cat*.png")
    data = bytearray(picture.read_bytes())
    data[len(data) // 2] ^= 1
    picture.write_bytes(data)
    (losses,) = collection.output.glob("toy/dog*.losses.csv")
    losses.unlink()
    return collection, before


def files(collection):
    """Return every published file, by name, with its bytes and the moment it was written."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in collection.output.glob("toy/*")
        if ".conflict-" not in path.name
    }


def pictures(found):
    """Return the bytes of the pictures among files."""
    return {name: data for name, (data, _) in found.items() if name.endswith(".png")}


def test_repair_paints_what_is_damaged_and_nothing_else(damaged, environ):
    """Verification names both and exits with 3; repair paints the very pictures again."""
    collection, before = damaged

    def nst(*arguments):
        command = Nst("verify", "out", *arguments, folder=collection.folder, environ=environ)
        return command.end(300), command

    code, command = nst()
    assert code == 3
    assert "changed toy/cat--monet" in command.stderr
    assert "missing toy/dog--monet" in command.stderr

    draw(collection.content("owl"))  # is for the next run
    code, command = nst("--repair")
    assert code == 0, command.stderr
    after = files(collection)
    assert {name[:3] for name in after} == {"cat", "dog", "eel"}
    assert pictures(after) == pictures(before)
    untouched = {name for name in before if name.startswith("eel")}
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}

    code, command = nst("--json")
    assert (code, command.summary["damaged"]) == (0, [])
