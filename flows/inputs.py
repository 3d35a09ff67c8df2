"""What a manifest's pairs read, brought to this machine and hashed."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Self

from manifests.locations import is_remote, written_out
from nst_core.errors import NSTError
from nst_core.image_reading import inspect
from tasks.background import in_background
from tasks.fetching import Fetched, fetch, recalled
from tasks.patience import Patience
from tasks.recalling import AWAY
from tasks.storage_errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from manifests.pairs import Pair
    from nst_core.image_reading import Header
    from tasks.settings import Settings

_log = logging.getLogger(__name__)

_AT_ONCE = 8
_LONGEST_WAIT = 600.0


def locations(pairs: Iterable[Pair]) -> list[str]:
    """Return every picture that some pair reads, once, in order of need."""
    return list(dict.fromkeys(where for pair in pairs for where in pair.locations))


class Inputs:
    """Pictures by location; threads may share it.

    Args:
        settings: The machine's facts.
        patience: How long to wait for buckets; by default ten minutes in all.
        on_found: Is told how many pictures were looked for so far, after each.
        recalls: Whether a picture of a bucket that is away is taken as it last came.

    Attributes:
        patience: As given; may be changed when nothing is being fetched.
    """

    def __init__(
        self,
        settings: Settings,
        patience: Patience | None = None,
        on_found: Callable[[int], object] = lambda _: None,
        *,
        recalls: bool = False,
    ) -> None:
        self.patience = patience or Patience.lasting(_LONGEST_WAIT)
        self._settings = settings
        self._on_found = on_found
        self._recalls = recalls
        self._guard = Lock()
        self._turns: dict[str, Lock] = {}
        self._found: dict[str, Fetched | NSTError] = {}
        self._away: dict[str, NSTError] = {}
        self._gone: dict[str, NSTError] = {}
        self._headers: dict[str, Header | NSTError] = {}

    @classmethod
    def of(cls, pairs: Iterable[Pair], settings: Settings) -> Self:
        """Return every picture that some pair reads; what cannot be had is remembered."""
        inputs = cls(settings)
        inputs.fetch_all(locations(pairs))
        return inputs

    def fetch(self, location: str) -> Fetched:
        """Bring one picture here, once, whoever asks first; what goes wrong is remembered too.

        One whose bucket is away may be fetched again.

        Raises:
            NSTError: It cannot be had.
        """
        with self._guard:
            turn = self._turns.setdefault(location, Lock())
        with turn:
            return self.require(location) if self.has(location) else self._fetch(location)

    def _fetch(self, location: str) -> Fetched:
        try:
            found: Fetched | NSTError = self._brought(location)
        except NSTError as error:
            found = error
        with self._guard:
            self._away.pop(location, None)
            if isinstance(found, NSTError) and found.kind == "io":
                self._away[location] = found
            else:
                self._found[location] = found
            count = len(self._found) + len(self._away)
        self._on_found(count)
        if isinstance(found, NSTError):
            raise found
        return found

    def fetch_all(self, wanted: Sequence[str]) -> None:
        """Bring several pictures here at once; ask `reason_against` what went wrong.

        Once that is called off, those that are left are not begun.
        """

        def bring(waiting: Iterator[str]) -> None:
            for location in waiting:
                if self.patience.called_off.is_set():
                    return
                with suppress(NSTError):  # remembered
                    self.fetch(location)

        waiting = iter(wanted)  # all take from it
        for hand in [in_background(bring, waiting) for _ in range(_AT_ONCE)]:
            hand.result()

    def _brought(self, location: str) -> Fetched:
        """Return a picture, without asking a bucket again for which patience is over."""
        bucket = location.split("/")[2] if is_remote(location) else ""
        try:
            if self.patience.over and (gone := self._gone.get(bucket)):
                raise gone
            found = fetch(
                location,
                self._settings.downloads,
                settings=self._settings,
                patience=self.patience,
            )
        except AWAY as error:
            if bucket not in self._gone:
                as_before = "; pictures are taken as they last came" if self._recalls else ""
                _log.warning("%s%s", error, as_before)
                self._gone[bucket] = error
            known = recalled(location, self._settings.downloads) if self._recalls else None
            if known is None:
                raise
            return known
        self._gone.pop(bucket, None)
        return found

    @property
    def away(self) -> tuple[str, ...]:
        """The pictures that could not be had, and may be later."""
        with self._guard:
            return tuple(self._away)

    def has(self, location: str) -> bool:
        """Whether a picture was fetched, or found impossible to for good."""
        with self._guard:
            return location in self._found

    def reason_against(self, location: str, *, expected: str | None = None) -> NSTError | None:
        """Return why a picture cannot be had, or None if it is here.

        Args:
            location: Of a picture that was fetched.
            expected: The SHA-256 that its bytes must have, where it must be the very same one.
        """
        found = self._known(location)
        if isinstance(found, NSTError):
            return found
        if expected is None or found.sha256 == expected:
            return None
        return InputError(
            f"{location!r} is another picture now: it was {expected[:10]}, it is"
            f" {found.sha256[:10]}",
            code="E-INPUT-CHANGED",
            remedy="put back the picture that was painted from",
        )

    def require(self, location: str) -> Fetched:
        """Return a fetched picture.

        Raises:
            NSTError: It could not be fetched.
        """
        found = self._known(location)
        if isinstance(found, NSTError):
            raise found
        return found

    def header(self, location: str) -> Header:
        """Return what a fetched picture says about itself.

        Raises:
            NSTError: It could not be fetched, or is no picture that is let in.
        """
        if location not in self._headers:
            data = self.require(location).read()
            try:
                self._headers[location] = inspect(data, max_pixels=self._settings.max_pixels)
            except NSTError as error:
                self._headers[location] = error.about(location)
        found = self._headers[location]
        if isinstance(found, NSTError):
            raise found
        return found

    def optional(self, location: str | None) -> Fetched | None:
        """Return a fetched picture, or None for none."""
        return None if location is None else self.require(location)

    def sha256(self, location: str | None) -> str | None:
        """Return the hash of a picture's bytes, or None for none."""
        return None if location is None else self.require(location).sha256

    def digests(self) -> dict[str, str]:
        """Return the hash of every picture; one that cannot be had gets a stand-in of its own."""
        with self._guard:
            return {
                location: found.sha256 if isinstance(found, Fetched) else _stand_in(location)
                for location, found in (self._found | self._away).items()
            }

    def _known(self, location: str) -> Fetched | NSTError:
        with self._guard:
            return self._away.get(location) or self._found[location]


def _stand_in(location: str) -> str:
    return hashlib.sha256(f"unreadable: {written_out(location)}".encode()).hexdigest()
