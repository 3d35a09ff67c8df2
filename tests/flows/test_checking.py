from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows.checking import check
from flows.cli_app import app
from flows.exit_codes import ExitCode
from flows.sources import read_manifest
from manifests.planning import expand
from tasks.storage import find, store_for
from tasks.storage_errors import BusyError
from tests.flows.toy_collection import draw


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """Write a manifest of one pair with a given recipe; there are no downloaded weights."""
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("NST_SCRATCH", str(tmp_path / "scratch"))
    for name in ("photo", "painting"):
        draw(tmp_path / f"{name}.png")

    def write(recipe):
        document = {
            "collection": "toy",
            "output": "out",
            "content_sets": {"photos": ["photo.png"]},
            "style_sets": {"paintings": ["painting.png"]},
            "recipes": {"plain": recipe},
            "pairings": [{"content": ["photos"], "style": ["paintings"], "recipe": "plain"}],
        }
        (tmp_path / "toy.yaml").write_text(yaml.safe_dump(document))
        return str(tmp_path / "toy.yaml")

    return write


def recipe(network: str, layer: str):
    """Give a recipe that compares at one layer."""
    terms = [{"kind": "content", "layer": layer}, {"kind": "gram", "layer": layer}]
    return {"network": network, "terms": terms}


@pytest.mark.parametrize(
    ("network", "layer"),
    [("googlenet", "inception3b.branch3[0]"), ("inception-v3", "Mixed_6b.branch7x7_2")],
)
def test_missing_weights_are_a_problem(manifest, network: str, layer: str):
    """A manifest may ask for any network; what its weights take is told before the night."""
    assert check(manifest(recipe(network, layer))) == [
        {
            "code": "E-WEIGHTS-MISSING",
            "kind": "environment",
            "message": f"the weights of {network} are missing; run: nst weights fetch {network}",
        }
    ]


def test_nothing_is_wrong_with_installed_weights(manifest):
    """The classifier that is installed along needs nothing."""
    assert check(manifest(recipe("efficientnet-lite0", "block5"))) == []


def test_a_problem_is_told_once(manifest):
    """The message holds place and remedy, and does not repeat the code."""
    wrong = recipe("efficientnet-lite0", "block5") | {"pooling": "avg"}
    (problem,) = check(path := manifest(wrong))

    assert problem["code"] == "E-RECIPE-NETWORK"
    assert problem["message"].startswith(path)
    assert problem["message"].endswith(
        "recipes.plain.pooling: pooling is avg, but efficientnet-lite0 has its own;"
        " only VGGs take another; leave pooling at max"
    )


def test_a_scratch_folder_that_cannot_be_written_is_a_problem(manifest, tmp_path):
    """Downloads and what waits for a bucket would go there."""
    (tmp_path / "scratch").touch()

    (problem,) = check(manifest({"preset": "gallery"}))

    assert problem["code"] == "E-SETTINGS"
    assert problem["kind"] == "environment"
    assert "let NST_SCRATCH name" in problem["message"]


def test_without_a_scratch_folder_no_bucket_is_asked(manifest, tmp_path, bucket):
    """Each of its photos would tell the same."""
    path = Path(manifest({"preset": "gallery"}))
    store_for(bucket).write(f"{bucket}/photo.png", (tmp_path / "photo.png").read_bytes())
    path.write_text(path.read_text().replace("photo.png", f"{bucket}/photo.png"))
    (tmp_path / "scratch").touch()

    (problem,) = check(str(path))

    assert "let NST_SCRATCH name" in problem["message"]


def test_a_store_that_is_away_is_no_slip_in_the_manifest(manifest, monkeypatch):
    """`nst check` ends as `nst plan` and `nst run` do."""

    def away(_):
        raise BusyError("nobody answers")

    monkeypatch.setattr("flows.checking.find", away)

    ended = CliRunner().invoke(app, ["check", manifest({"preset": "gallery"})])

    assert ended.exit_code == ExitCode.ENVIRONMENT
    assert "ERROR E-S3-BUSY nobody answers" in ended.stderr


def test_a_command_that_is_not_there_is_a_problem(manifest, monkeypatch):
    """Nobody would be told how the night ended."""
    monkeypatch.setenv("NST_NOTIFY_COMMAND", "no-such-mailer --to me")

    (problem,) = check(manifest(recipe("efficientnet-lite0", "block5")))

    assert problem["kind"] == "environment"
    assert "names 'no-such-mailer', which is no command here; install it" in problem["message"]


def test_a_folder_for_metrics_that_cannot_be_written_is_a_problem(manifest, tmp_path, monkeypatch):
    """Nobody would see the night in their monitoring."""
    (tmp_path / "textfile").touch()
    monkeypatch.setenv("NST_METRICS", str(tmp_path / "textfile"))

    (problem,) = check(manifest(recipe("efficientnet-lite0", "block5")))

    assert problem["kind"] == "environment"
    assert problem["message"].startswith(f"the folder for metrics {tmp_path}/textfile cannot be")
    assert problem["message"].endswith("; let NST_METRICS name a folder that you may write to")


def test_a_disk_without_room_for_the_sheets_is_a_problem(manifest, monkeypatch):
    """The picture is small, its contact sheet and Prefect's database are not."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=10_000_000))

    (problem,) = check(manifest({"preset": "gallery", "size": 64}))

    assert problem["code"] == "E-DISK-FULL"
    assert "10.0 MB are free" in problem["message"]


def test_a_recipe_is_looked_at_in_each_manner(manifest, tmp_path, monkeypatch):
    """Its name is the same in all of them, its octaves need not be."""
    path = Path(manifest({"preset": "gallery"}))
    document = yaml.safe_load(path.read_text())
    document["style_sets"] = {
        "first": {"material": "watercolor", "images": ["painting.png"]},
        "second": {"technique": "pencil drawing", "images": ["painting.png"]},
    }
    document["pairings"][0]["style"] = ["first", "second"]
    path.write_text(yaml.safe_dump(document))
    looked_at = []
    monkeypatch.setattr("flows.checking.require_room", lambda recipe, _: looked_at.append(recipe))

    assert check(str(path)) == []
    assert len(looked_at) == len(set(looked_at)) == 2


def test_a_photo_of_a_shape_that_cannot_be_painted_is_a_problem(manifest, tmp_path):
    """Before the night, at which size and what to do; a style of that shape is taken."""
    draw(tmp_path / "photo.png", size=(2000, 3))
    draw(tmp_path / "painting.png", size=(2000, 3))

    (problem,) = check(manifest({"preset": "gallery", "size": 320}))

    assert problem["code"] == "E-RECIPE-SIZE"
    assert problem["message"].startswith(f"{tmp_path / 'photo.png'}: picture is 160×1 px at")
    assert "; crop the picture nearer to a square, or raise" in problem["message"]


def test_a_mask_of_another_shape_is_a_problem(manifest, tmp_path):
    """Its header tells before the night, at whatever scale it is."""
    path = Path(manifest(recipe("efficientnet-lite0", "block5")))
    document = yaml.safe_load(path.read_text())
    document["content_sets"]["photos"] = [{"image": "photo.png", "regions": {"left": "mask.png"}}]
    document["pairings"][0]["style"] = {"left": "paintings"}
    path.write_text(yaml.safe_dump(document))

    draw(tmp_path / "mask.png", size=(24, 18))
    assert check(str(path)) == []
    draw(tmp_path / "mask.png", size=(24, 20))
    (problem,) = check(str(path))

    assert (problem["code"], problem["kind"]) == ("E-IMG-MASK", "input")
    assert problem["message"].startswith(f"{tmp_path / 'mask.png'}: the mask has 24×20 px")


def test_all_that_is_wrong_is_found_in_one_look(manifest, tmp_path, monkeypatch, s3):
    """Weights, pictures, device and bucket: a person mends everything before the night."""
    path = manifest(recipe("googlenet", "inception3b.branch3[0]"))
    (tmp_path / "photo.png").write_bytes(b"<html>not found</html>")
    monkeypatch.setenv("NST_MAX_PIXELS", "1000")
    monkeypatch.setenv("NST_DEVICE", "cuda:7")

    found = [problem["code"] for problem in check(path, output="s3://no-such-bucket/spring")]

    assert found == [
        "E-WEIGHTS-MISSING",
        "E-IMG-FORMAT",
        "E-IMG-HUGE",
        "E-S3-BUCKET",
        "E-DEVICE",
    ]


def test_a_manifest_and_its_pictures_may_lie_in_a_bucket(manifest, tmp_path, bucket):
    """Relative locations start where it lies; nothing is left of a look at the output."""
    manifest(recipe("efficientnet-lite0", "block5"))
    for path in (tmp_path / "toy.yaml", tmp_path / "photo.png", tmp_path / "painting.png"):
        store_for(bucket).write(f"{bucket}/show/{path.name}", path.read_bytes())

    assert check(f"{bucket}/show/toy.yaml") == []
    assert list(store_for(bucket).listing(f"{bucket}/show/out/")) == []


def test_an_output_at_another_kind_of_address_is_refused(manifest):
    """It is no folder called ``gs:`` either."""
    (problem,) = check(manifest(recipe("efficientnet-lite0", "block5")), output="gs://bucket/show")

    assert problem["code"] == "E-S3-URL"


def test_a_check_leaves_no_folder(manifest, tmp_path):
    """An output is looked at by writing into it; its folders, and those around it, go again."""
    path = manifest(recipe("efficientnet-lite0", "block5"))

    assert check(path, output=str(tmp_path / "out" / "2026" / "spring")) == []

    assert not (tmp_path / "out").exists()


def test_a_warning_stands_in_nobodys_way(manifest):
    """It is told as one, and the command ends with 0."""
    path = Path(manifest({"preset": "gallery"}))
    document = yaml.safe_load(path.read_text())
    document["content_sets"]["others"] = ["photo.png"]
    path.write_text(yaml.safe_dump(document))

    ended = CliRunner().invoke(app, ["check", str(path)])

    assert ended.exit_code == 0
    assert "WARNING W-MANIFEST-UNUSED" in ended.stderr
    assert "ERROR" not in ended.stderr
    assert "nothing is wrong" in ended.stdout


def test_a_plan_shows_names_as_they_are(manifest, steady, tmp_path):
    """A name in brackets is no markup, and columns without a word are left out."""
    path = Path(manifest({"preset": "gallery", "manner": "off"}))
    path.write_text(path.read_text().replace("photo.png", "'* photo.png'"))
    (tmp_path / "photo.png").rename(tmp_path / "[b] photo.png")
    steady(expand(read_manifest(str(path)), find))

    ended = CliRunner().invoke(app, ["plan", str(path)])

    assert ended.exit_code == 0, ended.stderr
    assert "[b] photo" in ended.stdout
    assert "why" not in ended.stdout
