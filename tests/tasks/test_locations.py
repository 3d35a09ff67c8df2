from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.locations import S3Location, in_natural_order, join, matches
from tasks.storage_errors import InputError

CANARY = "wJalrXUtnFEMI/canary/EXAMPLEKEY"


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a/b.png",
        "s3://my.bucket-1/",
        "s3://bucket/ü (1).png",
        "s3://bucket/👩\u200d🎨.png",
        "s3://bucket/Screenshot at 9.41\u202fPM.png",  # as macOS calls them
    ],
)
def test_an_address_is_taken_apart_and_put_together(text: str):
    """Parsing and printing an address are each other's inverse."""
    assert str(S3Location.parse(text)) == text


def test_a_bucket_alone_has_an_empty_key():
    """The slash after a bucket may be left out."""
    assert S3Location.parse("s3://bucket") == S3Location("bucket", "")


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3:///key",
        "s3://b/key",
        "s3://bucket/../other/key",
        "s3://bucket/a/./key",
        "s3://bucket/a\nkey",
        "s3://bucket/a\x1b[2Jkey",
        "s3://bucket/a\0key",
        "s3:bucket/key",
        "http://host/key",
        "file:///etc/passwd",
        f"s3://AKIA:{CANARY}@bucket/key",
        f"s3://AKIA:{CANARY.replace('/', '')}@bucket/key",
        f"s3://{CANARY.replace('/', '')}@bucket/key",
        f"s3://bucket/key?X-Amz-Signature={CANARY}",
        f"s3://bucket/key?AWSAccessKeyId=AKIA&Signature={CANARY}",
        f"https://me:{CANARY}@host/key?X-Amz-Security-Token={CANARY}",
    ],
)
def test_a_bad_address_is_refused_without_echo(text: str):
    """What is no plain address is refused, and a secret in it is not repeated."""
    with pytest.raises(InputError) as caught:
        S3Location.parse(text)

    assert caught.value.code == "E-S3-URL"
    assert not any(part in str(caught.value) for part in ("canary", "wJalr", "AKIA"))


def test_a_key_that_is_refused_is_named():
    """Among ten thousand photos it is to be found."""
    with pytest.raises(InputError, match=r"'art/a\\tb.png' in s3://bucket .* another name"):
        S3Location.parse("s3://bucket/art/a\tb.png")


@given(st.text())
def test_any_text_is_an_address_or_an_input_error(text: str):
    """Nothing but our own error ever comes of a location."""
    try:
        assert str(S3Location.parse(f"s3://bucket/{text}")) == f"s3://bucket/{text}"
    except InputError as error:
        assert error.code == "E-S3-URL"  # noqa: PT017  # either outcome is right


def test_names_are_joined_with_one_slash():
    """A prefix may be written with its slash or without."""
    assert join("s3://b/p/", "x/y.png") == join("s3://b/p", "x/y.png") == "s3://b/p/x/y.png"


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("a/b.png", "a/*.png", True),
        ("a/b/c.png", "a/*.png", False),
        ("a/b/c.png", "**/*.png", True),
        ("c.png", "**/*.png", True),
        ("a/b/c.png", "a/**", True),
        ("a", "a/**", True),
        ("a/.h/c.png", "a/**/*.png", False),
        ("a/.c.png", "a/*.png", False),
        ("a/.c.png", "a/.*.png", True),
        ("a/b.PNG", "a/*.png", False),
        ("a/x/b/y/c", "a/**/b/**/c", True),
        ("a/x/y/c", "a/**/b/**/c", False),
    ],
)
def test_patterns_mean_what_shells_mean(name: str, pattern: str, *, expected: bool):
    """`*` stays in a folder, `**` does not, and hidden names want to be asked for."""
    assert matches(name, pattern) is expected


def test_no_pattern_takes_long():
    """A pattern that would make a backtracking matcher run for years is answered at once."""
    begun = time.process_time()

    assert not matches("a/" * 500 + "b", "**/a/" * 100 + "c")
    assert time.process_time() - begun < 5


def test_natural_order_counts_as_people_do():
    """Numbers in names are numbers, capitals are no other letters, and nothing comes twice."""
    names = ["m10.png", "M2.png", "m1.png", "m1.png", "l.png", "2.png", "10.png", "m01.png"]

    assert in_natural_order(names) == [
        "2.png", "10.png", "l.png", "m01.png", "m1.png", "M2.png", "m10.png"
    ]  # fmt: skip


@given(st.lists(st.text()))
def test_natural_order_does_not_depend_on_the_order_before(names: list[str]):
    """Any names can be sorted, and the same ones always end up in the same order."""
    assert in_natural_order(names) == in_natural_order(reversed(names))
