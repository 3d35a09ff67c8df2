"""What the command line says of itself."""

from __future__ import annotations

import sys

import pytest

from flows.cli import main
from flows.exit_codes import ExitCode


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


def test_a_picture_of_no_size_is_refused(monkeypatch, capsys):
    """A size that cannot be painted is not taken for none given."""
    words = ["paint", "photo.jpg", "painting.jpg", "-o", "picture.png", "--size", "0"]
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "--size" in capsys.readouterr().err
