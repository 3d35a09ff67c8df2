"""The README says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from flows.cli_app import app
from flows.exit_codes import ExitCode
from manifests.reader import parse
from manifests.sweep_entry import RecipeFamily
from nst_core.networks import NETWORKS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = set(typer.main.get_command(app).commands)


def block(language: str) -> str:
    """Return the README's first code block of a language."""
    match = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert match, language
    return match[1]


def test_its_manifest_is_one():
    """The manifest in the README is accepted as it stands."""
    manifest = parse(block("yaml"), name="README.md", folder="/photos")

    assert manifest.collection == "spring-show"


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\bnst ([a-z]+)\b", README))))
def test_its_commands_exist(command):
    """Every `nst` command that it names can be given."""
    assert command in COMMANDS


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)\b", README))))
def test_its_make_targets_exist(target):
    """Every `make` target that it names is in the Makefile."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_its_pictures_exist(link):
    """Every file that it shows or links is in the repository."""
    assert (ROOT / link).is_file()


def test_its_exit_codes_are_all():
    """Its table has every exit code and no other."""
    table = README[README.index("| exit code |") :].split("\n\n")[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    told = {int(code) for code in re.findall(r"\d+", " ".join(rows))}

    assert told == {int(code) for code in ExitCode}


def test_its_networks_are_all():
    """Its table has every network and no other."""
    table = README[README.index("| network |") :].split("\n\n")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(NETWORKS)


def test_its_dials_are_fields_of_a_recipe():
    """Every dial in its table can be turned in a manifest."""
    table = README[README.index("| dial |") :].split("\n\n")[0]
    dials = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    assert len(dials) > 10
    assert dials <= set(RecipeFamily.model_fields)
