"""What a path of a manifest means, and what is no path."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.locations import is_pattern, is_remote, reason_against, resolved, resolved_pattern


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        ("a.jpg", "/shows", "/shows/a.jpg"),
        ("faces/", "/shows", "/shows/faces/"),
        ("../art/*.jpg", "/shows/spring", "/shows/art/*.jpg"),
        ("./a//b.jpg", "/shows", "/shows/a/b.jpg"),
        ("../../../..", "/shows", "/"),
        ("/art/**/x?.png", "/shows", "/art/**/x?.png"),
        ("//art/x.png", "/shows", "/art/x.png"),
        ("s3://bucket/a/*.jpg", "/shows", "s3://bucket/a/*.jpg"),
        ("s3://bucket", "/shows", "s3://bucket"),
        ("a.jpg", "s3://bucket/shows", "s3://bucket/shows/a.jpg"),
        ("../art/", "s3://bucket/shows", "s3://bucket/art/"),
        ("../../../x", "s3://bucket/shows", "s3://bucket/x"),
        ("/art/x.png", "s3://bucket/shows", "/art/x.png"),
    ],
)
def test_relative_paths_start_at_the_manifests_folder(text, folder, expected):
    """On a disk as in a bucket."""
    assert resolved(text, folder) == resolved_pattern(text, folder) == expected


def test_a_tilde_is_home(monkeypatch):
    """Of whoever runs it."""
    monkeypatch.setenv("HOME", "/home/ann")

    assert resolved("~/art/*.jpg", "/shows") == "/home/ann/art/*.jpg"
    assert resolved("./~/x", "/shows") == "/shows/~/x"


def test_what_the_manifests_folder_is_called_is_no_pattern(tmp_path):
    """A folder may be called [2024] or *."""
    folder = tmp_path / "show [2024]*"
    folder.mkdir()
    (folder / "a.jpg").touch()
    found = list(Path("/").glob(resolved_pattern("*.jpg", str(folder))[1:]))

    assert found == [folder / "a.jpg"]
    assert resolved_pattern("a.jpg", str(folder)) == str(folder / "a.jpg")
    assert resolved("out [draft]", str(folder)) == str(folder / "out [draft]")


@pytest.mark.parametrize("text", ["a*", "a?", "[ab].jpg", "**/x"])
def test_patterns_are_told_from_names(text):
    """They stand for several names."""
    assert is_pattern(text)
    assert not is_pattern(text.strip("*?").replace("[", "").replace("*", ""))


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg",
        "a b (1).jpg",
        "../x",
        "/x",
        "~/x",
        "./~x",
        "s3://bucket",
        "s3://my.bucket/a b/ü?.jpg",
        "x:y.jpg",
    ],
)
def test_paths_and_addresses_are_locations(text):
    """Nothing speaks against them."""
    assert reason_against(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://host/x.jpg", "neither a path nor s3"),
        ("S3://bucket/x.jpg", "neither a path nor s3"),
        ("file:///x.jpg", "neither a path nor s3"),
        ("s3://", "name of a bucket"),
        ("s3:///x", "name of a bucket"),
        ("s3://b/x", "name of a bucket"),
        ("s3://key:secret@bucket/x", "name of a bucket"),
        ("s3:/bucket/x", "neither a path nor s3"),
        ("s3://bucket/x?X-Amz-Signature=1", "signature"),
        ("s3://bucket/a/../b", "no '.' or '..'"),
        ("s3://bucket/./b", "no '.' or '..'"),
        ("", "an empty path"),
        ("  ", "an empty path"),
        ("a\\b", "write a path with /"),
        ("\\\\server\\share", "write a path with /"),
        ("C:/x", "write a path with /"),
        ("~ann/x", "own home"),
        ("~", "own home"),
    ],
)
def test_what_is_no_location_is_told(text, reason):
    """Without repeating it."""
    assert reason in (reason_against(text) or "")


@pytest.mark.parametrize(
    ("location", "remote"),
    [
        ("s3://b/k", True),
        ("https://host/b.png", True),
        ("/a/b.png", False),
        ("/a://b.png", False),
        ("photos/a://b.png", False),
    ],
)
def test_an_address_is_told_from_a_path(location: str, *, remote: bool):
    """Only what starts with a scheme is an address."""
    assert is_remote(location) is remote
