"""Where a manifest's pictures lie: paths, folders, patterns and ``s3://`` addresses.

A manifest means its paths from the folder that it lies in. ``~/`` is the home of whoever runs it;
``..`` is taken as written. What a pattern finds, and whether it may, is the storage's business.
"""

from __future__ import annotations

import glob
import os.path
import re
from pathlib import Path

_S3 = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9.-]{1,61}[A-Za-z0-9](/.*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DRIVE = re.compile(r"[A-Za-z]:/")

SIGNATURE = re.compile(r"[?&](X-Amz-|AWSAccessKeyId=|Signature=)", re.IGNORECASE)
"""What makes an address that is as good as a password."""
WILDCARD = re.compile(r"[*?\[]")
"""What makes a text a pattern: ``*``, ``?``, ``[abc]``, ``**``."""


def reason_against(text: str) -> str | None:
    """Return why a text is no location, or None if it is one.

    An address is never repeated in the reason: what is wrong with it may be a password.
    """
    return _against_address(text) if _SCHEME.match(text) else _against_path(text)


def _against_address(text: str) -> str | None:
    if not text.startswith("s3://"):
        return "neither a path nor s3://bucket/key; copy the pictures to one of these"
    if not _S3.fullmatch(text):
        return "s3:// is followed by the name of a bucket; access keys belong in a profile"
    if SIGNATURE.search(text):
        return "carries a signature; give the plain s3://bucket/key"
    if {".", ".."} & set(text.split("/")):
        return "a key has no '.' or '..' in it"
    return None


def _against_path(text: str) -> str | None:
    if not text.strip():
        return "an empty path"
    if "\\" in text or _DRIVE.match(text):
        return "write a path with /, as in photos/faces/*.jpg"
    if text.startswith("~") and not text.startswith("~/"):
        return "only one's own home can be meant: ~/pictures; a name with ~ is written ./~name"
    return None


def is_remote(location: str) -> bool:
    """Tell an address, whatever its scheme, from a path."""
    return _ADDRESS.match(location) is not None


def written_out(text: str) -> str:
    r"""Return a text that can be written down: file names may hold bytes that are no letters.

    Python keeps these as halves of characters, which nothing but the file system takes back;
    here, each becomes a backslash and its number, as in ``\udcff``.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def is_pattern(text: str) -> bool:
    """Tell whether a text asks for several names."""
    return WILDCARD.search(text) is not None


def means_one(text: str) -> bool:
    """Tell whether a text, for all it may be a pattern, can find one name only."""
    return not is_pattern(re.sub(r"\[[*?[]\]", "", text))


def escaped(location: str) -> str:
    """Return a location to put before a pattern: whatever it is called, it is no pattern itself."""
    return glob.escape(location)


def resolved(text: str, folder: str) -> str:
    """Return the absolute path or address that a text of a manifest means.

    Args:
        text: For which `reason_against` found none.
        folder: Where the manifest lies: an absolute path or ``s3://bucket/prefix``.
    """
    if is_remote(text):
        return text
    if text.startswith("~/"):
        text, folder = text[2:], str(Path.home())
    if is_remote(folder) and not text.startswith("/"):
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        return f"s3://{bucket}{_joined('/' + prefix, text)}"
    return _joined(folder, text)


def resolved_pattern(text: str, folder: str) -> str:
    """Return what `resolved` does for a text that may be a pattern; the folder is never one."""
    if text.startswith("~/"):
        return resolved_pattern(text[2:], str(Path.home()))
    is_relative = not (is_remote(text) or text.startswith("/"))
    return resolved(text, escaped(folder) if is_relative and is_pattern(text) else folder)


def _joined(folder: str, text: str) -> str:
    path = os.path.normpath(os.path.join(folder, text))  # noqa: PTH118  patterns, not paths
    # Two leading slashes are another root to POSIX, and nobody's intention.
    return "/" + path.lstrip("/") + ("/" if text.endswith("/") and path != "/" else "")
