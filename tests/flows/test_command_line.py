"""What the command line says of itself."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from flows.cli import main
from flows.cli_machine import lines_of
from flows.console import from_here
from flows.exit_codes import ExitCode
from flows.reporting import say_goodbye
from tasks.devices import DeviceError
from tests.flows.toy_collection import draw
from tests.tasks.toy_gallery import hang

INTERRUPTED_WHILE_IT_LOADS = """
import signal, sys

class Finder:
    def find_spec(name, *_):
        if name == "{module}":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder)
sys.argv = ["nst", "plan", "show.yaml"]
from flows.cli import main
main()
"""


@pytest.mark.parametrize("module", ["flows.cli_app", "typer", "flows.forecast"])
def test_ctrl_c_while_a_command_still_loads_is_one_quiet_line(tmp_path, module):
    """From its first moment on."""
    script = INTERRUPTED_WHILE_IT_LOADS.format(module=module)

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)

    assert ended.stderr == b"interrupted\n"
    assert ended.returncode == ExitCode.INTERRUPTED


def test_ctrl_c_means_the_same_where_nobody_reads_it():
    """It has ended what stood behind the pipe, too."""
    reader, writer = os.pipe()
    os.close(reader)
    script = INTERRUPTED_WHILE_IT_LOADS.format(module="flows.cli_app")

    ended = subprocess.run([sys.executable, "-c", script], stderr=writer, check=False)
    os.close(writer)

    assert ended.returncode == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "ERROR Missing argument 'manifests'\n"),
        (["enlarge", "out"], "ERROR Missing option '--picks'\n"),
        (["bake"], "ERROR No such command 'bake'\n"),
    ],
)
def test_what_is_missing_on_the_command_line_is_named(monkeypatch, capsys, words, said):
    """Every mistake is told in words, and ends with 2."""
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert capsys.readouterr().err == said


def test_nothing_at_all_is_answered_with_help(monkeypatch, capsys):
    """And with no further word."""
    monkeypatch.setattr(sys, "argv", ["nst"])

    with pytest.raises(SystemExit) as left:
        main()

    told = capsys.readouterr()
    assert left.value.code == ExitCode.USAGE
    assert "Usage: " in told.out
    assert told.err == ""


@pytest.mark.parametrize("size", ["6", "lots"])
def test_a_size_that_nobody_means_is_refused(monkeypatch, capsys, size):
    """Six bytes were six gigabytes."""
    monkeypatch.setattr(sys, "argv", ["nst", "plan", "show.yaml", "--memory-limit", size])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "ERROR Invalid value for '--memory-limit': say a size such as 512M, 8G or 8GB\n"
    )


@pytest.mark.parametrize(
    ("words", "painter"),
    [
        (["run", "toy.yaml"], "flows.run.paint_pairs"),
        (["paint", "photos/cat.png", "new/klee.png", "-o", "cat.png"], "flows.single.paint_pairs"),
        (["restyle", "toy.yaml", "--style", "klee=new"], "flows.restyling.paint_pairs"),
        (["watch", "toy.yaml", "--once", "--settle", "0"], "flows.watching.run"),
    ],
)
def test_every_command_that_paints_takes_a_memory_limit(toy, monkeypatch, words, painter):
    """It goes before the environment's, wherever a picture is painted."""
    made = toy()
    draw(made.folder / "new" / "klee.png")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("NST_SCRATCH", str(made.folder / "scratch"))
    monkeypatch.setattr(sys, "argv", ["nst", *words, "--memory-limit", "2GB"])
    given = []

    def paint(*said, **told):
        given.append((told.get("options") or said[1]).memory_limit)
        raise DeviceError("enough is known")

    monkeypatch.setattr(painter, paint)
    with pytest.raises(SystemExit):
        main()

    assert given == [2 << 30]


def test_a_terminal_of_few_letters_ends_no_command(tmp_path, monkeypatch):
    """What it cannot show is written out."""
    draw(tmp_path / "Müller" / "Öl.png")
    monkeypatch.chdir(tmp_path)
    paper = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(paper, "ascii"))
    words = ["new", "--content", "Müller", "--style", "Müller", "-o", "Öl.yaml"]
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit) as left:
        main()

    sys.stdout.flush()
    assert left.value.code == ExitCode.COMPLETE
    assert b"wrote \\xd6l.yaml for 1 photo" in paper.getvalue()


def test_a_manifest_is_no_photo(tmp_path, monkeypatch, capsys):
    """A slip on the command line of `nst new` makes no gallery of it."""
    draw(tmp_path / "art" / "fish.png")
    (tmp_path / "show.yaml").write_text("collection: show\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nst", "new", "--content", "show.yaml", "--style", "art"])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "show.yaml: not a " in capsys.readouterr().err
    assert not (tmp_path / "manifest.yaml").exists()


def test_a_picture_of_no_size_is_refused(monkeypatch, capsys):
    """A size that cannot be painted is not taken for none given."""
    words = ["paint", "photo.jpg", "painting.jpg", "-o", "picture.png", "--size", "0"]
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "--size" in capsys.readouterr().err


def test_a_new_manifest_tells_what_was_made_of_the_folders(tmp_path, monkeypatch, capsys):
    """How many pictures it asks for, what the names of the folders say, what comes next."""
    draw(tmp_path / "photos" / "cat.png")
    draw(tmp_path / "art" / "watercolors" / "marin.png")
    draw(tmp_path / "art" / "klee" / "fish.png")
    monkeypatch.chdir(tmp_path)
    words = ["new", "-o", "my show.yaml", "--content", "photos", "--style", "art"]
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.COMPLETE
    assert capsys.readouterr().out.splitlines() == [
        "wrote my show.yaml for 1 photo × 2 paintings: 2 pictures",
        "  watercolors: material Watercolors, by the name of its folder",
        "next: nst check 'my show.yaml'  # every problem at once",
        "      nst plan 'my show.yaml'   # what there is to paint, and how long it takes",
        "      nst run 'my show.yaml'    # paints it",
    ]


def test_a_new_manifest_replaces_none(tmp_path, monkeypatch, capsys):
    """A slip in a name is no fault of ours, and costs nobody a manifest."""
    draw(tmp_path / "photos" / "cat.png")
    (tmp_path / "show.yaml").write_text("mine")
    monkeypatch.chdir(tmp_path)
    words = ["new", "-o", "show.yaml", "--content", "photos", "--style", "photos"]
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "E-MANIFEST-EXISTS" in capsys.readouterr().err
    assert (tmp_path / "show.yaml").read_text() == "mine"


def test_a_run_that_has_left_something_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    """The page as near as it can be named, and the command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").touch()

    say_goodbye(
        ExitCode.DEADLINE,
        {"complete": 3, "kept": 0, "failed": 1, "left": 2},
        target=str(tmp_path / "out"),
        command="nst run show.yaml",
    )

    assert capsys.readouterr().err.splitlines() == [
        "the gallery: out/index.html",
        "to continue: nst run show.yaml",
    ]


def test_the_doctor_speaks_in_units():
    """Gigabytes and seconds, one line for each fact."""
    facts = {"free_bytes": 42_619_006_976, "forecast": [{"size": 384, "seconds": 31.25}]}

    assert lines_of(facts) == ["free: 42.6 GB", "forecast: size 384, time 31.25 s"]


def test_a_machine_without_cards_has_none():
    """In place of three noughts."""
    assert lines_of({"cards": {"cuda": 0, "mps": 0, "bytes": 0}}) == ["cards: none"]


def test_a_stray_file_is_no_error(tmp_path, monkeypatch, capsys):
    """It is told, and the output is whole."""
    output = hang(tmp_path / "out", frames=0, failing=())
    (output.root / "spring-show" / "notes.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["nst", "verify", str(output.root)])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.COMPLETE
    assert "WARNING stray spring-show/notes.txt" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["presets"], ["presets", "--json"], ["schema"]])
def test_codes_are_the_same_where_nobody_reads(words):
    """They tell what a command did; `| head` has read enough."""
    reader, writer = os.pipe()
    os.close(reader)

    command = [sys.executable, "-m", "flows", *words]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (ExitCode.COMPLETE, b"")


def test_a_working_directory_that_is_gone_is_told(tmp_path, monkeypatch, capsys):
    """It was removed or moved beneath the shell; that is no fault of ours."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "argv", ["nst", "run", "show.yaml"])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.ENVIRONMENT
    assert "ERROR E-SETTINGS the working directory is gone" in capsys.readouterr().err
    assert from_here("/out/index.html") == "/out/index.html"  # a run goes on, and says where


@pytest.mark.parametrize("command", ["gallery", "verify", "prune"])
def test_an_output_that_is_not_there_is_not_made(tmp_path, monkeypatch, capsys, command):
    """A slip in a name is told, and leaves nothing behind."""
    monkeypatch.setattr(sys, "argv", ["nst", command, str(tmp_path / "outt")])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "E-OUT-MISSING" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["gallery", "verify"])
def test_a_folder_of_other_things_is_no_output(tmp_path, monkeypatch, capsys, command):
    """Nobody wants a page among their photos."""
    (tmp_path / "photo.jpg").touch()
    monkeypatch.setattr(sys, "argv", ["nst", command, str(tmp_path)])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "E-OUT-MISSING" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_warning_is_called_one_once(toy, monkeypatch, capsys):
    """By the log, which needs no second word for it."""
    made = toy()
    made.write(recipes={name: {"preset": "gallery"} for name in ("tiny", "unused")})
    monkeypatch.setattr(sys, "argv", ["nst", "run", str(made.path), "--only", "nobody"])

    with pytest.raises(SystemExit):
        main()

    told = capsys.readouterr().err
    assert "W-MANIFEST-UNUSED" in told
    assert told.count("WARNING") == 1


def test_a_watch_says_that_it_has_begun(toy, monkeypatch, capsys):
    """As long as nothing happens it has nothing else to say."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    made = toy()
    monkeypatch.setattr("flows.watching.tend", interrupt)
    monkeypatch.setattr(sys, "argv", ["nst", "watch", str(made.path), "--every", "0.5"])

    with pytest.raises(SystemExit):
        main()

    told = capsys.readouterr()
    assert told.out == f"watching what {made.path} names, a look every 0.5 s; Ctrl-C ends it\n"
    assert told.err == "interrupted\n"
