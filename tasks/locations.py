"""Where pictures lie: an absolute path or ``s3://bucket/key``, and patterns over both.

A pattern knows ``*`` and ``?`` (within one name), ``[abc]`` and ``**`` (any number of folders). It
means the same on a disk and in a bucket, and it never finds hidden names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from manifests.locations import SIGNATURE, WILDCARD
from manifests.wording import is_printable, printable
from nst_core import heic
from tasks.storage_errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of pictures that people have and that are not read: they are left out, and that is said.
UNREAD_SUFFIXES = frozenset(
    {".avif", ".jxl", ".gif", ".psd"}
    | {".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"}
    | (frozenset() if heic.IS_READ else heic.SUFFIXES)
)

#: What a folder is searched for; the decoder reads these formats and no others.
PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".tif", ".tiff", ".bmp"}
    | (heic.SUFFIXES if heic.IS_READ else frozenset())
)

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key (or a prefix, or a pattern) in it."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, location: str) -> Self:
        """Take an address apart.

        Args:
            location: ``s3://bucket/key``; the key may be empty.

        Raises:
            InputError: E-S3-URL, for anything else. What may hold a password is not repeated in
                the message.
        """
        scheme, separator, rest = location.partition("://")
        bucket, _, key = rest.partition("/")
        if (scheme, separator) != ("s3", "://"):
            raise InputError(
                "an address is neither a path nor s3://bucket/key",
                code="E-S3-URL",
                remedy="copy the pictures to a folder or a bucket first",
            )
        if not _BUCKET.fullmatch(bucket):
            raise InputError(
                "an s3:// address does not start with the name of a bucket",
                code="E-S3-URL",
                remedy="write s3://bucket/key; access keys belong in a profile, not in an address",
            )
        if SIGNATURE.search(key):
            raise InputError(
                f"an address in s3://{bucket} carries a signature",
                code="E-S3-URL",
                remedy="give the plain s3://bucket/key; access is the profile's matter",
            )
        if not is_printable(key) or {".", ".."} & set(key.split("/")):
            raise InputError(
                f"the key '{printable(key)}' in s3://{bucket} has a folder '.' or '..', or"
                " characters that do not print",
                code="E-S3-URL",
                remedy="give the object another name",
            )
        return cls(bucket, key)

    def __str__(self) -> str:
        """Return the address."""
        return f"s3://{self.bucket}/{self.key}"


def join(folder: str, name: str) -> str:
    """Return the location of a name below a folder or prefix."""
    return f"{folder.rstrip('/')}/{name}"


def fixed_head(pattern: str) -> str:
    """Return the folders of a pattern that are written out, with their last slash."""
    before = WILDCARD.split(pattern, maxsplit=1)[0]
    return before[: before.rfind("/") + 1]


def is_picture(name: str) -> bool:
    """Tell whether a name looks like a picture that can be read, and is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def matches(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern, both with ``/`` between folders.

    Every position that the pattern can have reached is followed at once, so that no pattern takes
    longer than (parts of the name) times (parts of the pattern).
    """
    wanted = pattern.split("/")
    reached = _skip_any({0}, wanted)
    for part in name.split("/"):
        reached = _skip_any(
            {
                at if wanted[at] == "**" else at + 1
                for at in reached
                if at < len(wanted) and fits(part, wanted[at])
            },
            wanted,
        )
    return len(wanted) in reached


def _skip_any(reached: set[int], wanted: list[str]) -> set[int]:
    """Add the positions behind each ``**``, which may stand for no folder at all."""
    for at, part in enumerate(wanted):
        if at in reached and part == "**":
            reached.add(at + 1)
    return reached


def fits(part: str, wanted: str) -> bool:
    """Tell whether one name fits one part of a pattern; hidden names only fit when asked for."""
    return fnmatchcase(part, wanted) and (wanted.startswith(".") or not part.startswith("."))


def in_natural_order(locations: Iterable[str]) -> list[str]:
    """Sort as people count: ``monet-2`` before ``monet-10``; each location once."""
    return sorted(set(locations), key=lambda text: (_digits_as_numbers(text), text))


def _digits_as_numbers(text: str) -> list[tuple[str, int]]:
    return [
        (before.casefold(), int(digits or 0))
        for before, digits in re.findall(r"([^0-9]*)([0-9]*)", text)
    ]
