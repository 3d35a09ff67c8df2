"""`nst run` as a command: real painter, real Prefect, tiny pictures."""

from __future__ import annotations

import csv
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.flows.command import Nst
from tests.flows.toy_collection import ToyCollection, draw
from tests.waiting import shared

CONTENTS = ("cat", "dog")
STYLES = ("degas", "klee", "monet")


@dataclass
class Run:
    """A run that has ended."""

    collection: ToyCollection
    command: Nst
    code: int

    @property
    def root(self):
        """The output."""
        return self.collection.output

    @property
    def pairs(self):
        """States by (content, style, recipe), from the summary on disk."""
        summary = json.loads((self.root / "summary.json").read_text())
        return {
            (Path(pair["content"]).stem, Path(pair["style"][0]).stem, pair["recipe"]): pair["state"]
            for pair in summary["pairs"]
        }


@pytest.fixture(scope="module")
def first(tmp_path_factory, environ):
    """The first run of two contents, three styles."""
    collection = ToyCollection(tmp_path_factory.mktemp("first"), contents=CONTENTS, styles=STYLES)
    command = Nst("run", collection.path.name, "--json", folder=collection.folder, environ=environ)
    return Run(collection, command, command.end())


@pytest.fixture(scope="module")
def later(tmp_path_factory, environ, first):
    """Run commands the next day: in a copy of what the first run has left."""

    def run(prepare, *arguments, **options):
        collection = first.collection.copied(tmp_path_factory.mktemp("later"))
        prepare(collection)
        command = Nst(
            "run", "toy.yaml", *arguments, folder=collection.folder, environ=environ, **options
        )
        return Run(collection, command, command.end())

    return run


def files(root):
    """Return every published file with its bytes and its time."""
    return {
        path.relative_to(root): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.glob("toy/*")
    }


# Exit code 0: a first run


def test_a_complete_run_exits_with_0(first):
    """Six pairs, six pictures."""
    assert first.code == 0, first.command.stderr
    assert list(first.pairs.values()) == ["complete"] * 6


def test_json_prints_the_summary_and_nothing_else(first):
    """What --json prints is one object, the very one in summary.json."""
    assert first.command.summary == json.loads((first.root / "summary.json").read_text())


def test_a_run_ends_with_where_to_look(first):
    """The page's place is the last thing that is said."""
    assert first.command.stderr.splitlines()[-1] == "the gallery: out/index.html"


def test_the_summary_is_what_the_contract_says(first):
    """Every key, counts that add up, resolved inputs, files relative to the output."""
    summary = first.command.summary
    folder = first.collection.folder

    pairs = summary.pop("pairs")
    assert summary.pop("seconds") > 0
    assert summary == {
        "collection": "toy",
        "planned": 6,
        "complete": 6,
        "kept": 0,
        "failed": 0,
        "left": 0,
    }
    for pair in pairs:
        assert list(pair) == [
            *("pair_id", "content", "style", "recipe", "state"),
            *("picture", "losses", "record", "seconds", "error"),
        ]
        content, style = Path(pair["content"]), Path(pair["style"][0])
        assert content == folder / "photos" / content.name
        assert style == folder / "paintings" / style.name
        stem = f"toy/{content.stem}--{style.stem}--tiny--{pair['pair_id'][:10]}"
        assert (pair["picture"], pair["losses"], pair["record"]) == (
            f"{stem}.png",
            f"{stem}.losses.csv",
            f"{stem}.json",
        )
        assert (pair["recipe"], pair["state"], pair["error"]) == ("tiny", "complete", None)
        assert pair["seconds"] > 0


def test_each_picture_has_the_recipes_size(first):
    """The longest side is what the recipe says, the shape that of the photo."""
    sizes = set()
    for pair in first.command.summary["pairs"]:
        with Image.open(first.root / pair["picture"]) as picture:
            sizes.add((picture.format, picture.size))

    assert sizes == {("PNG", (32, 24))}


def test_each_step_is_in_the_loss_log(first):
    """One row for each step, with the total and every term."""
    with (first.root / first.command.summary["pairs"][0]["losses"]).open() as log:
        rows = list(csv.DictReader(log))

    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0])[:6] == ["step", "octave", "width", "height", "seconds", "total"]
    terms = [float(value) for name, value in rows[0].items() if "relu" in name]
    assert len(terms) == 6  # the content and five style layers
    assert sum(terms) <= float(rows[0]["total"]) * 1.001


def test_the_output_holds_what_the_contract_says(first):
    """Page, reports and ledger lie beside the collection."""
    names = {path.name for path in first.root.iterdir()}

    assert names >= {"index.html", "summary.json", "summary.md", "ledger.jsonl", "toy", ".work"}
    assert not (first.root / "failed").exists()


def test_progress_is_told_on_standard_error(first):
    """Plain lines tell of the plan and of each pair's end."""
    told = first.command.stderr

    assert "toy: 6 pairs, kept 0, 6 to paint" in told
    assert told.count("\ncomplete ") == 6


# Exit code 0: the same again


@pytest.fixture(scope="module")
def again(later):
    """The same command the next day."""
    before = {}
    run = later(lambda collection: before.update(files(collection.output)))
    return run, before


def test_the_same_command_again_keeps_everything(again):
    """It says how many, and exits with 0."""
    run, _ = again

    assert run.code == 0
    assert "toy: kept 6\n" in run.command.stdout
    assert set(run.pairs.values()) == {"kept"}


def test_the_same_command_again_touches_no_picture(again):
    """Neither bytes nor times of what is published change."""
    run, before = again

    assert len(before) == 18
    assert files(run.root) == before


def test_a_run_with_nothing_to_paint_is_shown_to_whoever_has_a_server(again, server):
    """Its flow run stands there beside those that painted."""
    run, _ = again
    asked = {"flow_runs": {"name": {"any_": ["toy"]}, "state": {"type": {"any_": ["COMPLETED"]}}}}

    shown = httpx.post(f"{server.url}/flow_runs/filter", json=asked, timeout=30).json()

    assert str(run.root) in {one["parameters"]["output"] for one in shown}


def test_a_run_with_nothing_to_paint_starts_no_server_of_its_own(first, machine, tmp_path):
    """It would be gone before anybody could look."""
    collection = first.collection.copied(tmp_path)

    command = Nst("run", "toy.yaml", folder=tmp_path, environ=machine)

    assert command.end() == 0, command.stderr
    assert "toy: kept 6\n" in command.stdout
    assert not (collection.output / ".work/prefect/prefect.db").exists()


# Exit code 3: some pairs failed


@pytest.fixture(scope="module")
def grown(later):
    """The next day, with a style set more and a broken photo among the good ones."""

    def prepare(collection):
        draw(collection.folder / "drawings/rodin.png")
        broken = collection.content("broken")
        draw(broken)
        broken.write_bytes(broken.read_bytes()[:-200])
        collection.write(
            style_sets={
                "paintings": {"material": "Oil", "images": ["paintings/*.png"]},
                "drawings": {"technique": "Drawing", "images": ["drawings/*.png"]},
            },
            pairings=[{"content": "photos", "style": ["paintings", "drawings"], "recipe": "tiny"}],
        )

    return later(prepare)


def test_a_run_with_failed_pairs_exits_with_3(grown):
    """A broken photo fails with each style, and with nothing else."""
    assert grown.code == 3, grown.command.stderr
    failed = {content for (content, _, _), state in grown.pairs.items() if state == "failed"}
    assert failed == {"broken"}


def test_a_new_style_set_paints_only_the_new_pairs(grown):
    """The good photos are painted in the new style, and kept in the old ones."""
    good = {key[:2]: state for key, state in grown.pairs.items() if key[0] != "broken"}

    assert good == {(content, style): "kept" for content in CONTENTS for style in STYLES} | {
        (content, "rodin"): "complete" for content in CONTENTS
    }


def test_a_failure_is_told_in_one_line_without_a_traceback(grown):
    """The person at the terminal reads which picture is broken."""
    told = grown.command.stderr

    assert "broken.png" in told
    assert "Traceback" not in told
    assert "E-IMG" in told


def test_each_failure_lies_in_a_file(grown):
    """`failed/` names picture, stage and remedy for each of the four pairs."""
    told = [json.loads(path.read_text()) for path in (grown.root / "failed").glob("*.json")]

    assert [(failure["stage"], failure["kind"]) for failure in told] == [("render", "input")] * 4


# A changed recipe


def test_a_changed_recipe_overwrites_nothing(later):
    """Another recipe makes new pictures beside the old ones."""
    before = {}

    run = later(
        lambda collection: before.update(files(collection.output)),
        *("--set", "recipe.tiny.steps=[2]", "--only", "cat--monet"),
    )

    assert run.code == 0, run.command.stderr
    assert run.pairs == {("cat", "monet", "tiny"): "complete"}
    assert len(files(run.root)) == 18 + 3
    assert before.items() <= files(run.root).items()


# Exit code 2: nothing started


def test_a_wrong_manifest_exits_with_2(tmp_path, environ):
    """Every problem is named with its place, and nothing is begun."""
    collection = ToyCollection(tmp_path)
    collection.write(recipes={"tiny": {"preset": "gallerie", "sise": 32}})

    command = Nst("run", "toy.yaml", folder=tmp_path, environ=environ)

    assert command.end() == 2
    assert "gallerie" in command.stderr
    assert "sise" in command.stderr
    assert not collection.output.exists()


def test_a_wrong_command_line_exits_with_2(tmp_path, environ):
    """An option that is not there is a mistake of the same kind."""
    command = Nst("run", "toy.yaml", "--outputt", "x", folder=tmp_path, environ=environ)

    assert command.end() == 2


# Exit code 1: a fault of ours


def test_a_fault_that_nobody_foresaw_exits_with_1(tmp_path, environ):
    """Half an installation is no matter of a manifest or the machine; an engineer sees where."""
    broken = tmp_path / "broken" / "jinja2"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise LookupError('half an installation')")
    path = os.pathsep.join(filter(None, [str(broken.parent), os.environ.get("PYTHONPATH")]))

    command = Nst("gallery", "out", folder=tmp_path, environ=environ | {"PYTHONPATH": path})

    assert command.end() == 1
    assert "this is a fault of nst-gallery" in command.stderr
    assert "half an installation" in command.stderr


# Exit code 4: the environment


def test_missing_weights_exit_with_4(tmp_path, environ):
    """Before anything begins, the command says which weights are missing and what to do."""
    collection = ToyCollection(tmp_path, preset="seed-vgg16")
    environ = environ | {"NST_WEIGHTS": str(tmp_path / "weights")}

    command = Nst("run", "toy.yaml", folder=tmp_path, environ=environ)

    assert command.end() == 4
    assert "E-WEIGHTS-MISSING" in command.stderr
    assert "nst weights fetch vgg16" in command.stderr
    assert not collection.output.exists()


def test_an_output_that_cannot_be_written_exits_with_4(tmp_path, environ):
    """A file in the output's place is found at once."""
    ToyCollection(tmp_path).output.write_text("in the way")

    command = Nst("run", "toy.yaml", folder=tmp_path, environ=environ)

    assert command.end() == 4
    assert "E-OUT-NOTWRITABLE" in command.stderr


# Exit code 10: the deadline


@pytest.fixture(scope="module")
def late(later):
    """A run whose time is up when it begins, with one photo more."""
    return later(lambda collection: draw(collection.content("owl")), "--max-hours", "0")


def test_a_run_that_leaves_pairs_at_its_deadline_exits_with_10(late):
    """What is finished is kept, what is not is left."""
    assert late.code == 10, late.command.stderr
    assert sorted(late.pairs.values()) == ["kept"] * 6 + ["left"] * 3


def test_the_report_says_how_to_continue(late):
    """The very command, ready to paste."""
    assert "\n    nst run toy.yaml --max-hours 0.0\n" in (late.root / "summary.md").read_text()


# Exit codes 11 and 143: a second run, and the end of the first


@dataclass
class Interrupted:
    """A run that was interrupted, after another had tried to join it."""

    collection: ToyCollection
    command: Nst
    second: Nst
    second_code: int
    code: int
    seconds: float
    left_over: list


@pytest.fixture(scope="module")
def interrupted(endless, environ):
    """A run under way, a second one on the same output, and SIGTERM for the first."""
    collection, command = endless("--json")
    second = Nst("run", "toy.yaml", folder=collection.folder, environ=environ)
    second_code = second.end()
    return Interrupted(collection, command, second, second_code, *command.send(signal.SIGTERM))


def test_a_second_run_on_the_same_output_exits_with_11(interrupted):
    """It names the first."""
    assert interrupted.second_code == 11
    assert "E-OUT-LOCKED" in interrupted.second.stderr
    assert f"process {interrupted.command.process.pid}" in interrupted.second.stderr


def test_sigterm_ends_a_run_with_143_within_10_seconds(interrupted):
    """However long the painting would have taken."""
    assert interrupted.code == 143, interrupted.command.stderr
    assert interrupted.seconds < shared(10)


def test_after_sigterm_no_process_is_left(interrupted):
    """Neither worker nor server outlives the command."""
    assert interrupted.left_over == []


def test_after_sigterm_the_pair_has_a_checkpoint(interrupted):
    """What was painted is saved, to the step."""
    (checkpoint,) = interrupted.collection.output.glob(".work/checkpoints/*/*.safetensors")
    (folder,) = interrupted.collection.output.glob(".work/painting/*")
    last_frame = max(folder.glob("frame_*")).stem.removeprefix("frame_")

    assert f"-step{last_frame}." in checkpoint.name


def test_after_sigterm_the_summary_says_what_is_left(interrupted):
    """On standard output as in the file."""
    assert interrupted.command.summary["left"] == 2
    assert interrupted.command.summary == json.loads(
        (interrupted.collection.output / "summary.json").read_text()
    )


def test_after_sigterm_the_report_tells_how_the_page_is_made(interrupted):
    """There was no time for it, and perhaps there is none yet."""
    told = (interrupted.collection.output / "summary.md").read_text()

    assert f"'nst gallery {interrupted.collection.output}' brings it up to date" in told
