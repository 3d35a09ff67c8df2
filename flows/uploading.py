"""Uploading finished pairs to the output's bucket while the others are being painted."""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from flows.observing import Observer
from flows.sources import painted_folder
from manifests.locations import is_remote
from manifests.wording import span
from tasks.background import in_background
from tasks.gallery import build
from tasks.lease import Lease
from tasks.locations import S3Location
from tasks.lock import OutputLockedError, hold
from tasks.output import Output
from tasks.patience import Patience
from tasks.settings import Settings
from tasks.staging import restore
from tasks.storage import store_for
from tasks.storage_errors import BusyError, ExpiredError, InputError, StorageError
from tasks.upload import GRACE, Drained, Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from flows.night import Night
    from flows.observing import Outcome

_log = logging.getLogger(__name__)

# What a store that is in the middle of an answer is waited for: at the end of a night, and by a run
# that was told to leave. It may not answer for minutes, and nothing depends on it.
_GOODBYE_SECONDS = 15.0
_HASTY_GOODBYE_SECONDS = 1.5
# What a bucket is waited for when a night begins, before anything is said.
_FIRST_SECONDS = 60.0
_PAINTING_FIRST = "%s; painting begins, and what is painted waits here until the bucket answers"
_WAITING_FIRST = (
    "%s; finished pictures may lie there, so nothing is painted before it answers;"
    " waiting for up to %s"
)


class Uploading(Observer):
    """Uploads an open night's output if it goes to a bucket; does nothing if it stays here.

    Args:
        night: Whose output.
        target: ``s3://bucket/prefix``, or the folder that the output is.
        source: The manifest's name, for whoever meets the lease.
    """

    def __init__(self, night: Night, target: str, *, source: str) -> None:
        self._night = night
        self._target = target
        self._source = source
        self._stack = ExitStack()
        self._spool: Spool | None = None
        self._following: Future[Drained | None]

    def __enter__(self) -> Self:
        """Take the lease, bring back what is only in the bucket, begin to upload.

        A bucket that does not answer is no reason to paint nothing. Where it was seen before, all
        that this machine has painted is known, so painting begins, and the lease is taken before
        the first upload. Where it was not, finished pictures may lie there, so it is waited for.

        Raises:
            OutputLockedError: Another run holds the prefix.
            StorageError: The bucket refuses, or does not answer as long as the night lasts.
        """
        if not is_remote(self._target):
            return self
        night = self._night
        store = store_for(self._target, night.settings)
        lease = Lease(store, self._target, work=night.output.work, manifest=self._source)
        stopping = night.renderer.stopping
        spool = Spool(
            night.output,
            store,
            self._target,
            patience=Patience(deadline=night.deadline, called_off=stopping),
            guard=lease.check,
        )

        def reach(seconds: float) -> None:
            until = time.monotonic() + seconds
            lease.begin(Patience(deadline=until, called_off=stopping))
            restore(night.output, store, self._target)
            spool.acquaint()

        with ExitStack() as stack:
            stack.callback(lease.end)
            try:
                reach(_FIRST_SECONDS)
            except (BusyError, ExpiredError) as error:
                if spool.is_acquainted:
                    _log.warning(_PAINTING_FIRST, error)
                else:
                    left = night.deadline - time.monotonic()
                    left = left if math.isfinite(left) else GRACE
                    _log.warning(_WAITING_FIRST, error, span(left))
                    reach(left)
            self._stack = stack.pop_all()
        self._spool = spool
        night.observers.append(self)
        self._following = in_background(_follow, spool)
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Stop uploading and give the lease back; what waits goes out with the next run."""
        if self._spool is None:
            return
        is_hasty = failure is not None or self._night.renderer.is_stopping
        self._spool.stop()
        self._spool.finish(0.0)
        leaving = in_background(self._leave)
        wait([leaving], _HASTY_GOODBYE_SECONDS if is_hasty else _GOODBYE_SECONDS)
        if not leaving.done():
            _log.warning("the store does not answer: its lease will end by itself")

    def ended(self, outcome: Outcome) -> None:
        """Another pair may be ready to go out."""
        if self._spool is not None and outcome.state == "complete":
            self._spool.wake()

    def finish(self) -> Drained:
        """Wait until all is uploaded, time is up, the store refuses for good, or a signal comes.

        Raises:
            OutputError: What waits could not be counted.
        """
        if self._spool is None:
            return Drained()
        self._spool.finish(GRACE)
        while not (self._following.done() or self._night.renderer.is_stopping):
            wait([self._following], 0.2)
        wait([self._following], _HASTY_GOODBYE_SECONDS)
        drained = self._following.result() if self._following.done() else None
        # None if it failed, or is still in the middle of a request.
        return drained or Drained(waiting=tuple(record.stem for record in self._spool.waiting()))

    def pages(self) -> None:
        """Upload the gallery page and the reports."""
        if self._spool is None or self._night.renderer.is_stopping:
            return
        with _trouble_warned_of():
            self._spool.publish_pages()

    def _leave(self) -> None:
        wait([self._following])
        self._stack.close()


def _follow(spool: Spool) -> Drained | None:
    try:
        return spool.follow()
    except Exception:  # noqa: BLE001 # it is logged whole
        # At once, not at the end of the night.
        _log.exception("uploading has failed; what waits goes out with the next run")
        return None


@contextmanager
def _trouble_warned_of() -> Iterator[None]:
    """Go on where the gallery page does not arrive: it is no picture."""
    try:
        yield
    except (StorageError, OutputLockedError) as error:
        _log.warning("the gallery page is not uploaded: %s", error)


def drain(target: str) -> Drained:
    """Bring what is painted and waits for a bucket there, without painting anything.

    The gallery page goes along, made anew with what others have brought there, and so do the
    reports, as they lie here.

    Args:
        target: ``s3://bucket/prefix`` of the output.

    Raises:
        InputError: That is no bucket's address.
        OutputError: Nothing was painted for it on this machine, or its page cannot be written.
        OutputLockedError: A run is painting into it.
        StorageError: The bucket is not to be had.
    """
    settings = Settings.from_environment()
    if not is_remote(target):
        raise InputError(
            f"{target!r} is no bucket's address",
            code="E-S3-URL",
            remedy="say s3://bucket/prefix; what is painted into a folder is there already",
        )
    place = str(S3Location.parse(target.rstrip("/")))
    output = Output(painted_folder(place))
    store = store_for(place, settings)
    with (
        hold(output.work, manifest="nst upload"),
        Lease(store, place, work=output.work, manifest="nst upload") as lease,
    ):
        spool = Spool(output, store, place, patience=Patience.lasting(GRACE), guard=lease.check)
        drained = spool.drain()
        if drained.stopped is None:
            with _trouble_warned_of():
                restore(output, store, place)
                build(output.root)
                spool.publish_pages()
        return drained
