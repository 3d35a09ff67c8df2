"""What a manifest's pairs read, brought to this machine and hashed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Self

from manifests.locations import written_out
from nst_core.errors import NSTError
from tasks.fetching import Fetched, fetch
from tasks.storage_errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from manifests.pairs import Pair
    from tasks.patience import Patience
    from tasks.settings import Settings

_AT_ONCE = 8


def locations(pairs: Iterable[Pair]) -> list[str]:
    """Return every picture that some pair reads, once, in order of need."""
    return list(dict.fromkeys(where for pair in pairs for where in pair.locations))


class Inputs:
    """Pictures by location; threads may share it.

    Args:
        settings: The machine's facts.
        patience: How long to wait for a bucket; by default ten minutes.
        on_found: Is told how many pictures were looked for so far, after each.
    """

    def __init__(
        self,
        settings: Settings,
        patience: Patience | None = None,
        on_found: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._patience = patience
        self._on_found = on_found
        self._guard = Lock()
        self._found: dict[str, Fetched | NSTError] = {}

    @classmethod
    def of(cls, pairs: Iterable[Pair], settings: Settings) -> Self:
        """Return every picture that some pair reads; what cannot be had is remembered."""
        inputs = cls(settings)
        inputs.fetch_all(locations(pairs))
        return inputs

    def fetch(self, location: str) -> Fetched:
        """Bring one picture here; what goes wrong is remembered too.

        Raises:
            NSTError: It cannot be had.
        """
        try:
            found: Fetched | NSTError = fetch(
                location,
                self._settings.downloads,
                settings=self._settings,
                patience=self._patience,
            )
        except NSTError as error:
            found = error
        with self._guard:
            self._found[location] = found
            count = len(self._found)
        self._on_found(count)
        if isinstance(found, NSTError):
            raise found
        return found

    def fetch_all(self, wanted: Sequence[str]) -> None:
        """Bring several pictures here at once; ask `reason_against` what went wrong."""

        def bring(location: str) -> None:
            try:
                self.fetch(location)
            except NSTError:
                return  # remembered

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(bring, wanted))

    def has(self, location: str) -> bool:
        """Whether a picture was fetched, or found impossible to."""
        with self._guard:
            return location in self._found

    def reason_against(self, location: str, *, expected: str | None = None) -> NSTError | None:
        """Return why a picture cannot be had, or None if it is here.

        Args:
            location: Of a picture that was fetched.
            expected: The SHA-256 that its bytes must have, where it must be the very same one.
        """
        found = self._found[location]
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
        found = self._found[location]
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
                for location, found in self._found.items()
            }


def _stand_in(location: str) -> str:
    return hashlib.sha256(f"unreadable: {written_out(location)}".encode()).hexdigest()
