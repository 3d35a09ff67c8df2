"""From a file to a manifest, or to why it cannot be read."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.problems import ManifestError
from manifests.reader import read
from manifests.sweep_entry import RecipeFamily
from tests.manifests.small_manifest import BASE, made


def test_the_smallest_manifest_is_sound():
    """Nobody has to name a recipe: the gallery preset is used."""
    manifest = made(BASE)

    assert manifest.pairings[0].recipe == ("gallery",)
    assert manifest.recipe("gallery") == RecipeFamily(preset="gallery")


def test_a_manifest_is_read_from_its_file(tmp_path):
    """Relative paths start at the folder that the file really lies in."""
    (tmp_path / "shows").mkdir()
    (tmp_path / "shows" / "spring.yaml").write_text(BASE)
    (tmp_path / "link").symlink_to(tmp_path / "shows")
    manifest = read(tmp_path / "link" / "spring.yaml")

    assert manifest.location("../art/*.jpg") == f"{tmp_path.resolve()}/art/*.jpg"


def test_problems_name_the_file_as_it_was_given(tmp_path, monkeypatch):
    """Editors and terminals make a link of it."""
    (tmp_path / "spring.yaml").write_text("collection: 3")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ManifestError, match=r"ERROR E-MANIFEST-TYPE spring\.yaml:1:1 collection: "):
        read(Path("spring.yaml"))


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path):
    """A mistyped name is found."""
    (tmp_path / "spring.yaml").write_text(BASE)

    with pytest.raises(
        ManifestError, match=r"E-MANIFEST-FILE .*does not exist; did you mean 'spring\.yaml'\?"
    ):
        read(tmp_path / "sprin.yaml")


def test_a_file_in_a_missing_folder_is_told(tmp_path):
    """There is nothing near it."""
    with pytest.raises(ManifestError, match=r"E-MANIFEST-FILE .*does not exist$"):
        read(tmp_path / "no" / "spring.yaml")


def test_a_folder_is_no_manifest(tmp_path):
    """A folder is told apart from a file."""
    with pytest.raises(ManifestError, match=r"E-MANIFEST-FILE .*is no file"):
        read(tmp_path)


@pytest.mark.timeout(5)
def test_a_pipe_is_not_waited_for(tmp_path):
    """A FIFO that nobody writes to would block for ever."""
    os.mkfifo(tmp_path / "m.yaml")

    with pytest.raises(ManifestError, match=r"E-MANIFEST-FILE .*is no file"):
        read(tmp_path / "m.yaml")


def test_what_the_system_refuses_is_told(tmp_path):
    """A name that no file can have is no reason for a traceback."""
    with pytest.raises(
        ManifestError, match=r"E-MANIFEST-FILE .*cannot be read: File name too long"
    ):
        read(tmp_path / ("x" * 300))


def test_the_error_survives_the_way_between_processes():
    """Prefect pickles what a flow raises."""
    with pytest.raises(ManifestError) as caught:
        made("")
    again = pickle.loads(pickle.dumps(caught.value))

    assert (again.problems, str(again)) == (caught.value.problems, str(caught.value))
    assert again.kind == "input"


def test_reading_a_manifest_loads_neither_torch_nor_prefect():
    """The command starts fast, and the flow's process stays small."""
    modules = ["comparing", "json_schema", "planning", "reader", "writing"]
    code = (
        f"import sys, importlib; [importlib.import_module('manifests.' + m) for m in {modules}];"
        "print([m for m in ('torch', 'prefect', 'boto3', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout == "[]\n"
