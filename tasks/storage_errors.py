"""What can go wrong between this machine and a store; the class says what to do about it.

StorageError
├── InputError     an input that is missing, no plain file, out of bounds or changed: the pair fails
├── BusyError      the store is slow, away or garbled the bytes: try again, with growing patience
├── ExpiredError   the credentials or the clock ran out: renew, pause a minute, try again
├── RefusedError   the store will say the same tomorrow: stop, and tell the person
├── TakenError     a conditional write lost: somebody (perhaps we) wrote there first
└── ConflictError  the place in the store belongs to something else: never overwritten
"""

from __future__ import annotations

from nst_core.errors import FailureKind, NSTError


class StorageError(NSTError):
    """A store or a file that does not do what was asked."""

    code = "E-STORE"
    kind: FailureKind = "io"


class InputError(StorageError):
    """An input that cannot be read as asked."""

    code = "E-INPUT-MISSING"
    kind = "input"


class BusyError(StorageError):
    """A passing trouble of the store or the line."""

    code = "E-S3-BUSY"


class ExpiredError(StorageError):
    """Credentials or clock need renewing."""

    code = "E-S3-EXPIRED"


class RefusedError(StorageError):
    """A lasting refusal: wrong bucket, no permission, no credentials."""

    code = "E-S3-ACCESS"
    kind = "environment"


class TakenError(StorageError):
    """A conditional write found something else there."""

    code = "E-S3-TAKEN"


class ConflictError(StorageError):
    """The key holds something that is not this pair's."""

    code = "E-S3-CONFLICT"
