"""One line per problem, fit for any terminal."""

from __future__ import annotations

import pytest

from manifests.problems import ManifestError, Problem, described, quoted


def test_a_problem_is_one_line_with_place_path_and_message():
    """Editors and people find the place."""
    problem = Problem("E-YAML-DUPKEY", "spring.yaml", 12, 3, "recipes.evening.steps", "given twice")

    assert str(problem) == "ERROR E-YAML-DUPKEY spring.yaml:12:3 recipes.evening.steps: given twice"


def test_what_is_not_known_is_left_out():
    """A value of the command line has no line; a whole file has no path."""
    assert str(Problem("E-X", "--set", None, None, "a.b", "wrong")) == "ERROR E-X --set a.b: wrong"
    assert str(Problem("E-X", "m.yaml", None, None, "", "wrong")) == "ERROR E-X m.yaml: wrong"


def test_a_warning_is_called_one():
    """Its code says so."""
    assert str(Problem("W-X", "m.yaml", 1, 2, "", "odd")) == "WARNING W-X m.yaml:1:2: odd"


def test_hostile_names_of_files_and_keys_are_written_out():
    """A terminal never gets what it would obey."""
    problem = Problem("E-X", "\x1b[2J.yaml", 1, 1, "a\nb", "wrong")

    assert str(problem) == r"ERROR E-X \x1b[2J.yaml:1:1 a\nb: wrong"


def test_an_error_tells_its_problems_in_the_order_of_their_places():
    """Readers go through the file from top to bottom."""
    places = [(3, 1), (1, 9), (None, None), (1, 2)]
    error = ManifestError(Problem("E-X", "m", line, column, "", "") for line, column in places)

    assert [(problem.line, problem.column) for problem in error.problems] == [
        (None, None),
        (1, 2),
        (1, 9),
        (3, 1),
    ]


def test_a_long_text_is_quoted_in_short():
    """Sixty characters recall it."""
    assert quoted("x" * 100) == "'" + "x" * 59 + "…'"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "nothing"),
        (True, "true"),
        (3, "the number 3"),
        (0.5, "the number 0.5"),
        ("no", "the text 'no'"),
        ([1], "a list"),
        ({}, "a mapping"),
    ],
)
def test_values_are_described_in_words(value, expected):
    """Messages say what stands there."""
    assert described(value) == expected
