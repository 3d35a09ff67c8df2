"""Files of unfinished pairs, in the output's bucket: any machine can go on from them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flows.observing import Observer
from manifests.locations import is_remote
from tasks.background import in_background
from tasks.locations import join
from tasks.pair_files import Keep
from tasks.storage import store_for
from tasks.storage_errors import StorageError

if TYPE_CHECKING:
    from flows.night import Night
    from flows.observing import Outcome
    from tasks.settings import Settings

_log = logging.getLogger(__name__)


def keep_of(target: str, settings: Settings) -> str | None:
    """Return where machines of a cluster keep files of pairs under way: the output's own bucket.

    None for an output that is a folder: other machines may not see it, so they send the files.

    Args:
        target: ``s3://bucket/prefix`` of the output, or its folder.
        settings: The machine's facts; on one machine nothing has to be kept elsewhere.
    """
    is_shared = settings.engine != "local" and is_remote(target)
    return join(target, ".work/pairs") if is_shared else None


class Keeping(Observer):
    """Removes the files of pairs that are finished.

    Args:
        location: What `keep_of` returned.
        settings: The machine's facts.
    """

    def __init__(self, location: str, settings: Settings) -> None:
        self._keep = Keep(store_for(location, settings), location)

    def opened(self, night: Night) -> None:
        """Clear away what a run left that ended between publishing and tidying up."""
        kept = {one.planned.pair_id for one in night.outcomes if one.state == "kept"}
        try:
            leftover = self._keep.pairs() & kept
        except StorageError as error:
            _log.warning("checkpoints of earlier runs may be left in the bucket: %s", error)
            return
        for pair_id in leftover:
            self._keep.clear(pair_id)

    def ended(self, outcome: Outcome) -> None:
        """Clear away what helped to paint a pair that is published; the next pair does not wait."""
        if outcome.state == "complete":
            in_background(self._keep.clear, outcome.planned.pair_id)
