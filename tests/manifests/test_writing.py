"""`nst new`: what it writes is read again, and says what its owner gave."""

from __future__ import annotations

import glob
from fnmatch import fnmatchcase

import pytest

from manifests.planning import expand
from manifests.problems import ManifestError
from manifests.reader import parse, read
from manifests.writing import compose
from tests.manifests.small_manifest import MissingError, RefusedError


class Files:
    """Pictures by path, found as a storage finds them."""

    def __init__(self, *paths):
        self.paths = paths

    def __call__(self, pattern):
        wanted = (f"{glob.escape(pattern)}*" if pattern.endswith("/") else pattern).split("/")
        found = [path for path in self.paths if fits(path.split("/"), wanted)]
        if not found:
            raise MissingError("nothing there")
        return found


def fits(parts, wanted):
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


GIVEN = Files(
    "/home/ann/photos/faces/1.jpg",
    "/home/ann/photos/faces/2.jpg",
    "/home/ann/photos/houses/1.jpg",
    "/home/ann/art/movements/ukiyo_e/wave.jpg",
    "/home/ann/art/oil/3.jpg",
)


def composed(
    contents, styles, find=GIVEN, folder="/home/ann/shows", collection="Spring Show", **options
):
    return compose(contents, styles, find=find, folder=folder, collection=collection, **options)


def new(*arguments, **options):
    return composed(*arguments, **options).text


def written(*arguments, **options):
    return parse(
        new(*arguments, **options), name="m.yaml", folder=options.get("folder", "/home/ann/shows")
    )


def test_what_is_written_is_read_again():
    """Folders become sets, and everything meets everything."""
    manifest = written(["/home/ann/photos/faces"], ["/home/ann/art/oil/"])

    assert manifest.collection == "spring-show"
    assert manifest.content_sets["faces"].images[0].image == "../photos/faces/"
    assert manifest.style_sets["oil"].images[0].image == "../art/oil/"
    assert manifest.pairings[0].content == ("faces",)
    assert manifest.pairings[0].style == ("oil",)
    assert manifest.recipe(manifest.pairings[0].recipe[0]).preset == "gallery"


def test_a_folder_of_folders_becomes_a_set_for_each():
    """Its name may say what they are."""
    manifest = written(["/home/ann/photos"], ["/home/ann/art/movements"])

    assert list(manifest.content_sets) == ["faces", "houses"]
    assert manifest.style_sets["ukiyo_e"].movement == "Ukiyo e"


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("watercolors", ("material", "Watercolors")),
        ("Oil_Pastel", ("material", "Oil pastel")),
        ("pop art", ("movement", "Pop art")),
        ("cubism", ("movement", "Cubism")),
        ("pointillism", ("technique", "Pointillism")),
        ("Impressionism/monet", ("movement", "Impressionism")),
        ("materials/cubism", ("material", "Cubism")),
        ("cubisme", None),
        ("monet", None),
    ],
)
def test_a_folder_called_like_a_manner_says_what_its_pictures_show(folder, label):
    """In whatever case and number, but never by a guess; the folder around it may say it too."""
    find = Files("/home/ann/photos/faces/1.jpg", f"/home/ann/art/{folder}/1.jpg")
    name = folder.rpartition("/")[2]
    given = ["/home/ann/photos"], [f"/home/ann/art/{folder}"]
    said = written(*given, find=find).style_sets[name].labels(name)

    assert composed(*given, find=find).labels == ({name: label} if label else {})
    assert {(kind, word) for kind, word in said.items() if kind != "style_set"} == (
        {label} if label else set()
    )


def test_the_manifest_counts_its_pictures():
    """A person sees at once how much was asked for."""
    text = new(["/home/ann/photos"], ["/home/ann/art/movements", "/home/ann/art/oil"])

    assert "# 3 photos × 2 paintings: 6 pictures." in text
    assert "faces: [../photos/faces/]  # 2 pictures" in text
    assert "houses: [../photos/houses/]  # 1 picture\n" in text


def test_what_is_written_finds_the_pictures_again(tmp_path):
    """From the file that it is written to."""
    tmp_path = tmp_path / "show [2024]"
    paths = ["photos/faces/1.jpg", "art/[monet]/2.jpg", "art/~klee/3.jpg", "~me/4.jpg"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    find = Files(*(str(tmp_path / path) for path in paths))
    text = new(
        [f"{tmp_path}/photos"],
        [f"{tmp_path}/art", f"{tmp_path}/~me"],
        find=find,
        folder=str(tmp_path),
    )
    (tmp_path / "m.yaml").write_text(text)
    pairs = expand(read(tmp_path / "m.yaml"), find)

    assert [pair.locations for pair in pairs] == [
        (f"{tmp_path}/photos/faces/1.jpg", f"{tmp_path}/art/[monet]/2.jpg"),
        (f"{tmp_path}/photos/faces/1.jpg", f"{tmp_path}/art/~klee/3.jpg"),
        (f"{tmp_path}/photos/faces/1.jpg", f"{tmp_path}/~me/4.jpg"),
    ]


def test_far_folders_and_buckets_are_written_as_they_are():
    """Only what shares more than the root is near."""
    find = Files("/mnt/photos/1.jpg", "s3://bucket/art/2.jpg")
    manifest = written(["/mnt/photos"], ["s3://bucket/art/"], find=find)

    assert manifest.content_sets["photos"].images[0].image == "/mnt/photos/"
    assert manifest.style_sets["art"].images[0].image == "s3://bucket/art/"


NAMES = [
    "no",
    "1920",
    "1e3",
    "a: b",
    "#1",
    "it's",
    'a "b"',
    "- x",
    "[x]",
    "北斎",
    "null",
    "x, y",
    "*",
    "&a",
    "!b",
    "{c}",
    " d ",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_folder_is_read_again(name):
    """Quotes stand where YAML needs them."""
    find = Files(f"/home/ann/{name}/1.jpg")
    manifest = written([f"/home/ann/{name}"], [f"/home/ann/{name}"], find=find)

    assert list(manifest.content_sets) == [name]
    assert [pair.content for pair in expand(manifest, find)] == [f"/home/ann/{name}/1.jpg"]


def test_folders_of_one_name_become_sets_of_different_names():
    """Nobody is overwritten."""
    find = Files("/a/faces/1.jpg", "/b/faces/1.jpg", "/c/faces/1.jpg")
    manifest = written(["/a/faces", "/b/faces", "/c/faces"], ["/a/faces"], find=find)

    assert list(manifest.content_sets) == ["faces", "faces-2", "faces-3"]


@pytest.mark.parametrize(
    ("name", "expected"), [("Failed", "failed-pictures"), ("北斎", "img"), ("con", "con-img")]
)
def test_a_collection_gets_a_name_that_a_folder_may_have(name, expected):
    """Whatever it is made from."""
    text = new(["/home/ann/photos"], ["/home/ann/art/oil"], collection=name)

    assert f"collection: {expected}\n" in text


def test_a_folder_without_pictures_is_told():
    """There is nothing to make a set of; why, says whoever looked."""
    with pytest.raises(
        ManifestError,
        match="E-MANIFEST-NOMATCH nst new: '/home/ann/empty' holds no pictures: nothing there",
    ):
        new(["/home/ann/empty"], ["/home/ann/art/oil"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/home/ann/a\nb", r"'/home/ann/a\\nb': has characters that do not print"),
        ("/home/ann/a\\b", r"'/home/ann/a\\b': write a path with /"),
        ("https://user:pass@host/x", "nst new: an address: neither a path nor s3"),
    ],
)
def test_a_folder_that_no_manifest_can_name_is_told(name, message):
    """Without the password that an address may carry."""
    with pytest.raises(ManifestError, match=message) as caught:
        new([name], ["/home/ann/art/oil"])

    assert "E-MANIFEST-LOCATION" in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_a_store_that_does_not_answer_is_not_an_empty_folder():
    """What it says reaches the person."""

    def find(pattern):
        raise RefusedError("AccessDenied")

    with pytest.raises(RefusedError):
        new(["s3://bucket/x"], ["s3://bucket/y"], find=find)
