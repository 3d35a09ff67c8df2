from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from nst_core.errors import DivergedError
from tasks.durable import FileEntry
from tasks.failures import Failure
from tasks.records import Objective, Record, StyleSource
from tasks.sealed import PRODUCT_VERSION, NewerRecordError, RecordError, is_sealed

PAIR_ID = "0123456789" + "abcdef" * 9
STEM = f"harbour--monet--evening--{PAIR_ID[:10]}"
NAMES = {
    "collection": "spring",
    "stem": STEM,
    "pair_id": PAIR_ID,
    "content_name": "harbour",
    "style_name": "monet",
    "recipe_name": "evening",
    "content": "/photos/harbour.jpg",
}


def record(**changes):
    """Return the record of one finished pair."""
    fields = {
        **NAMES,
        "content_sha256": "1" * 64,
        "styles": (StyleSource(location="s3://art/monet.jpg", weight=1.0, sha256="2" * 64),),
        "recipe": {"size": 512, "steps": [100, 50], "terms": [{"kind": "gram", "weight": 0.1}]},
        "network": "vgg19",
        "weights_sha256": "3" * 64,
        "algorithm_version": 1,
        "output": {"format": "png", "bits": 8},
        "credits": ("Claude Monet, 1872 — «Impression»",),
        "objective": Objective(first=1.5, last=0.1, terms={"gram": 0.1}),
        "steps": 150,
        "seconds": 12.5,
        "files": {"picture": FileEntry(f"spring/{STEM}.png", "4" * 64, 1000, 640, 480)},
        "finished": "2031-02-03T04:05:06+00:00",
    }
    return Record(**fields | changes)


PAIR = {**NAMES, "styles": ("s3://art/monet.jpg",), "stage": "render", "attempts": 2}


def test_a_record_reads_back_as_it_was():
    """Encoding and decoding give an equal record."""
    written = record()

    assert Record.decode(written.encode(), name="r") == written


def test_a_record_is_frozen():
    """What was recorded is not changed afterwards."""
    with pytest.raises(ValidationError, match="frozen"):
        record().steps = 3


def test_the_text_is_for_people():
    """Letters beyond ASCII stand as themselves, each field on a line."""
    assert "Claude Monet, 1872 — «Impression»" in record().encode().decode()


def test_a_fresh_record_is_sealed():
    """The seal of what was just written holds."""
    assert is_sealed(record().encode())


def test_every_flipped_bit_breaks_the_seal():
    """No single bit of a record can change unnoticed."""
    data = record().encode()
    unnoticed = []
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        if is_sealed(bytes(flipped)):
            unnoticed.append(position)

    assert unnoticed == []


def test_a_record_cut_anywhere_is_an_error_that_explains():
    """Whatever a crash left of a record, reading it raises nothing but RecordError."""
    data = record().encode().rstrip()
    for length in range(len(data)):
        with pytest.raises(RecordError, match="repair"):
            Record.decode(data[:length], name="r")


def test_an_edited_record_is_read_but_not_sealed():
    """A credit mended by hand does not make the pair unfinished, yet it shows."""
    data = record().encode().replace(b"Claude Monet", b"C. O. Monet.")

    assert Record.decode(data, name="r").credits == ("C. O. Monet., 1872 — «Impression»",)
    assert not is_sealed(data)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff\xfe", b"{}", b'"record"'])
def test_what_is_no_record_is_refused(data):
    """Any other content is a damaged record, never a crash."""
    with pytest.raises(RecordError):
        Record.decode(data, name="r")


def test_a_deeply_nested_file_is_refused():
    """A file of nothing but brackets does not exhaust the stack."""
    with pytest.raises(RecordError):
        Record.decode(b"[" * 200_000, name="r")


def test_a_later_schema_is_named_with_a_remedy():
    """A record of a later version stops the run with advice; it is not taken for damaged."""
    fields = json.loads(record().encode()) | {
        "schema_version": 2,
        "product_version": "9.0",
        "mood": "calm",
    }

    with pytest.raises(NewerRecordError, match=r"nst-gallery 9\.0 in schema 2.*upgrade") as caught:
        Record.decode(json.dumps(fields).encode(), name="r")
    assert (caught.value.code, caught.value.kind) == ("E-RECORD-NEWER", "environment")


def test_an_unknown_field_is_named():
    """A field this version does not know is an error that names it, not silently dropped."""
    fields = json.loads(record().encode()) | {"mood": "calm"}

    with pytest.raises(RecordError, match="mood: Extra inputs"):
        Record.decode(json.dumps(fields).encode(), name="r")


def test_an_error_about_a_record_shows_none_of_its_values():
    """What stood in a damaged record, perhaps a secret, is not repeated."""
    fields = json.loads(record().encode()) | {"steps": "hunter2"}

    with pytest.raises(RecordError) as caught:
        Record.decode(json.dumps(fields).encode(), name="r")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "file",
    [
        f"../{STEM}.png",
        "/etc/passwd",
        f"spring/../{STEM}.png",
        f"summer/{STEM}.png",
        "spring/other.png",
    ],
)
def test_a_record_names_only_files_of_its_own(file):
    """A tampered record cannot point out of its pair."""
    with pytest.raises(ValidationError, match="no file of this pair"):
        record(files={"picture": FileEntry(file, "4" * 64, 1000)})


def test_a_record_without_a_picture_is_none():
    """Nothing but a picture makes a pair finished."""
    with pytest.raises(ValidationError, match="there is no picture"):
        record(files={"losses": FileEntry(f"spring/{STEM}.losses.csv", "4" * 64, 1000)})


@pytest.mark.parametrize("collection", ["../up", ".work", "a/b", "", "Failed", "assets", "a\nb"])
def test_a_collection_is_one_plain_folder(collection):
    """A name that would leave the output, or take one of its own folders, is refused."""
    with pytest.raises(ValidationError):
        record(collection=collection)


def test_a_stem_belongs_to_its_pair():
    """The digits in the name are the pair's."""
    with pytest.raises(ValidationError, match="is not that of pair"):
        record(stem="harbour--monet--evening--ffffffffff")


def test_numbers_are_finite():
    """NaN has no place in a record."""
    with pytest.raises(ValidationError):
        record(seconds=float("nan"))


def test_a_failure_keeps_what_the_error_says():
    """Code, kind, message and remedy of our own errors go into the file."""
    error = DivergedError("loss became NaN in step 231", remedy="lower its weight")

    told = Failure.of(error, **PAIR)

    assert (told.kind, told.code, told.message, told.remedy, told.traceback) == (
        "diverged",
        "E-DIVERGED",
        "loss became NaN in step 231",
        "lower its weight",
        None,
    )


def test_a_foreign_error_is_a_bug_with_its_traceback():
    """What this product does not understand is recorded whole."""
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        told = Failure.of(error, **PAIR)

    assert (told.kind, told.code, told.message) == (
        "bug",
        "E-BUG",
        "ZeroDivisionError: division by zero",
    )
    assert "test_records.py" in told.traceback


def test_a_failure_reads_back_as_it_was():
    """Encoding and decoding give an equal failure, the version that failed included."""
    written = Failure.of(ValueError("x"), **PAIR)

    read = Failure.decode(written.encode(), name="f")

    assert read == written
    assert read.product_version == PRODUCT_VERSION
