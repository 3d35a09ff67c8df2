"""What a manifest's pairs read, brought here and hashed: for planning and checking."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from nst_core.errors import NSTError
from tasks.fetching import Fetched, fetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from manifests.pairs import Pair
    from tasks.settings import Settings

_AT_ONCE = 8


def fetch_all(pairs: Iterable[Pair], settings: Settings) -> dict[str, Fetched | NSTError]:
    """Return every picture that some pair reads, or why it cannot be had.

    Args:
        pairs: The pairs.
        settings: The machine's facts.
    """
    locations = list(dict.fromkeys(where for pair in pairs for where in pair.locations))

    def bring(location: str) -> Fetched | NSTError:
        try:
            return fetch(location, settings.scratch / "inputs", settings=settings)
        except NSTError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(locations, threads.map(bring, locations), strict=True))
