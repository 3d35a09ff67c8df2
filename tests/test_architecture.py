"""The laws of the house, checked on every module there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("flows", "tasks", "manifests", "nst_core")
MODULES = tuple(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
LONGEST = 400
# A name that says where things were put, and not what they are.
NAMELESS = {"utils", "util", "misc", "helpers", "helper", "common", "tools", "base", "core"}

# What a manifest is read, checked and planned with.
WITHOUT_TORCH = (
    *(f"nst_core.{name}" for name in ("errors", "terms", "canvases", "octaves", "optimizers")),
    *(f"nst_core.{name}" for name in ("recipe", "dials", "presets", "networks", "weights_files")),
    *(f"nst_core.{name}" for name in ("distributions", "style_statistics", "preset_types")),
    "nst_core.masks",
    *(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if "manifests" in path.parts
    ),
)


def test_rooms_open_in_one_direction():
    """The import contracts of pyproject.toml hold, indirect imports included."""
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_modules(room: str):
    """The other laws are checked on something."""
    assert any(room in path.parts for path in MODULES)


def test_a_module_is_one_idea():
    """No module grows beyond what is read in one go."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in MODULES
    }

    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_has_a_name():
    """A module is named after its idea, tests and benchmarks too."""
    others = (path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))

    assert [path for path in (*MODULES, *others) if path.stem in NAMELESS] == []


def test_values_are_made_without_torch():
    """Manifests are read, checked and planned in a process that never loads torch."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
        "from nst_core.presets import PRESETS\n"
        "PRESETS['gallery'].recipe.parameters()\n"
        "assert 'torch' not in sys.modules\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *WITHOUT_TORCH],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr


def test_the_core_needs_no_other_room():
    """A picture can be painted where only torch, Pillow and numpy are installed."""
    code = (
        "import importlib, sys, types\n"
        "refused = sys.argv[1].split(',')\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in refused:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name)\n"
    )
    names = [f"nst_core.{path.stem}" for path in MODULES if path.parent.name == "nst_core"]
    refused = "flows,tasks,manifests,prefect,pydantic,yaml,boto3,botocore,typer,rich,jinja2"
    ran = subprocess.run(
        [sys.executable, "-c", code, refused, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
