"""The laws of the house, checked on every module there is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
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


def run_afresh(code, *arguments):
    """Run code in an interpreter that has imported nothing yet; it must succeed."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


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


@cache
def defined(path: Path) -> frozenset[str]:
    """Return every name that a module has, members of its classes as ``Class.member``."""
    found = set()

    def look(body, before=""):
        for node in body:
            match node:
                case ast.ClassDef():
                    found.add(before + node.name)
                    look(node.body, f"{before}{node.name}.")
                case ast.FunctionDef():
                    found.add(before + node.name)
                    assigned = [each for each in ast.walk(node) if isinstance(each, ast.Attribute)]
                    found.update(before + each.attr for each in assigned if before)
                case ast.Assign():
                    found.update(before + each.id for each in node.targets if hasattr(each, "id"))
                case ast.AnnAssign(target=ast.Name(name)):
                    found.add(before + name)
                case ast.Import() | ast.ImportFrom():
                    found.update(each.asname or each.name for each in node.names)
                case ast.If() | ast.Try():
                    look(node.body, before)

    look(ast.parse(path.read_text("utf-8")).body)
    return frozenset(found)


def is_there(name: str, speaker: Path | None) -> bool:
    """Tell whether a dotted name is where it says, or a short one where it is spoken of."""
    parts = name.split(".")
    if parts[0] not in ROOMS:
        return speaker is not None and any(
            known == name or known.endswith(f".{name}") for known in defined(speaker)
        )
    for end in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:end])
        for module in (place.with_suffix(".py"), place / "__init__.py"):
            if module.is_file():
                return end == len(parts) or ".".join(parts[end:]) in defined(module)
    return False


def test_names_that_are_pointed_to_are_there():
    """Docstrings and documents send nobody to what was renamed or moved."""
    role = r":(?:class|func|meth|mod|data|attr):`([\w.]+)`"
    dotted = rf"`((?:{'|'.join(ROOMS)})\.(?!py`)[\w.]+)`"
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    lost = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*MODULES, *pages)
        for name in re.findall(f"{role}|{dotted}", path.read_text("utf-8"))
        for name in name
        if name and not is_there(name, path if path in MODULES else None)
    ]

    assert lost == []


def test_the_tree_of_errors_is_drawn_whole():
    """Who looks for what can go wrong finds every kind in one place."""
    drawing = ast.get_docstring(ast.parse((ROOT / "nst_core" / "errors.py").read_text("utf-8")))
    kinds = {
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and "NSTError" in map(ast.unparse, node.bases)
    }

    assert {kind for kind in kinds if kind not in drawing} == set()


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
    run_afresh(code, *WITHOUT_TORCH)


def test_a_slot_starts_without_torchvision():
    """Importing it takes longer than torch itself, and 90 MB of every slot."""
    code = "import sys, tasks.painter; sys.exit('torchvision' in sys.modules)"
    run_afresh(code)


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
    run_afresh(code, refused, *names)
