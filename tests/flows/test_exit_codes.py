from __future__ import annotations

import itertools

import pytest

from flows import threads
from flows.exit_codes import ExitCode, gravest, of_error
from flows.run import codes
from manifests.problems import ManifestError, Problem
from nst_core.errors import DivergedError, ImageError, NSTError, RecipeError, WeightsError
from tasks.devices import DeviceError
from tasks.durable import DiskFullError, NotWritableError, OutputError
from tasks.jobs import SlotUnusable
from tasks.lock import OutputLockedError
from tasks.sealed import NewerRecordError
from tasks.settings import SettingsError
from tasks.storage_errors import BusyError, InputError, RefusedError
from tasks.upload import Drained
from tests.flows.toy_collection import ToyCollection

# 130 and 143 never apply together: the first signal names the code.
GRAVEST_FIRST = [143, 4, 6, 10, 3, 0]


def test_codes_are_what_scripts_rely_on():
    """No number ever changes its meaning."""
    assert {code.name: code.value for code in ExitCode} == {
        "COMPLETE": 0,
        "INTERNAL": 1,
        "USAGE": 2,
        "FAILED_PAIRS": 3,
        "ENVIRONMENT": 4,
        "NOT_UPLOADED": 6,
        "DEADLINE": 10,
        "LOCKED": 11,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize(
    ("graver", "lesser"), list(itertools.combinations(GRAVEST_FIRST, 2)), ids=str
)
def test_of_two_codes_the_graver_is_told(graver, lesser):
    """Whatever their order."""
    codes = [ExitCode(lesser), ExitCode(graver)]

    assert gravest(codes) == gravest(reversed(codes)) == graver


def test_nothing_amiss_is_complete():
    """A run to which no code applies has ended well."""
    assert gravest([]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (OutputLockedError("held"), 11),
        (ManifestError([Problem("E-X", "m.yaml", 1, 1, "a", "wrong")]), 2),
        (RecipeError("wrong"), 2),
        (ImageError("broken"), 2),
        (InputError("missing"), 2),
        (WeightsError("missing"), 4),
        (SettingsError("wrong"), 4),
        (DeviceError("none"), 4),
        (DiskFullError("full"), 4),
        (NotWritableError("refused"), 4),
        (OutputError("I/O"), 4),
        (NewerRecordError("newer"), 4),
        (RefusedError("denied"), 4),
        (BusyError("outage"), 4),
        (SlotUnusable("no process"), 4),
        (DivergedError("NaN"), 1),
        (NSTError("of no kind"), 1),
        (RuntimeError("a bug"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_that_ends_a_command_has_its_code(error, code):
    """By what kind of trouble it is, not by where it was raised."""
    assert of_error(error) == code


# What a night amounts to

WAITING = Drained(waiting=("cat--monet",))
OUSTED = Drained(waiting=("cat--monet",), stopped=OutputLockedError("another run holds the prefix"))
SIGTERM, SIGINT = ExitCode.TERMINATED, ExitCode.INTERRUPTED


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Nights at their end, by what became of their pairs."""

    def end(*contents, **options):
        collection = ToyCollection(tmp_path_factory.mktemp("night"), contents=contents)
        with collection.night(**options) as night:
            for path in collection.folder.glob("photos/gone*"):
                path.unlink()
            threads.paint(night)
            return night

    return {
        "complete": end("cat"),
        "failed": end("cat", "gone"),
        "late": end("cat", "gone", deadline=0.0),
        "stranded": end("cat", "gone", "full"),
    }


@pytest.mark.parametrize(
    ("night", "caught", "drained", "code"),
    [
        ("complete", None, Drained(), 0),
        ("complete", None, WAITING, 6),
        ("complete", None, OUSTED, 11),
        ("complete", SIGTERM, Drained(), 143),
        ("complete", SIGINT, WAITING, 130),
        ("failed", None, Drained(), 3),
        ("failed", None, WAITING, 6),
        ("failed", SIGINT, Drained(), 130),
        ("late", None, Drained(), 10),
        ("late", None, WAITING, 6),
        ("late", SIGTERM, WAITING, 143),
        ("stranded", None, Drained(), 4),
        ("stranded", None, WAITING, 4),
        ("stranded", SIGTERM, WAITING, 143),
    ],
)
def test_a_night_ends_with_the_gravest_code_that_applies(nights, night, caught, drained, code):
    """130 and 143 before 4 before 6 before 10 before 3."""
    assert gravest(codes(nights[night], caught, drained)) == code
