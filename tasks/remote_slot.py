"""A remote slot: one slot on another machine, as that machine sees it.

It holds a pool of that one slot, so a pair is painted, watched and replaced there exactly as at
home. What it adds is the way there and back: pictures come by their content, files of the pair are
fetched and kept (`tasks.pair_files`), and what happens is told in messages, each a tuple:

    ("event", event)                progress
    ("log", name, level, text)      a warning that the person at the terminal should see
    ("keep", name, data)            a file of the pair, for the folders of the machine that asked
    ("drop", name)                  it is gone
    ("done", result)                }
    ("stopped", text)               } the end of a job
    ("failed", SlotError)           }

Nothing here knows which engine carries it: `tasks.ray_slots` makes a Ray actor of it.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import socket
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tasks import pair_files
from tasks.devices import count_cores
from tasks.durable import write_atomic
from tasks.jobs import SlotError, SlotUnusable, Stopped, explain
from tasks.log_relay import LogRelay
from tasks.memory import memory_of_slot
from tasks.pair_files import Keep, Mirror
from tasks.settings import Settings
from tasks.slots import SlotPool
from tasks.storage import store_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.devices import SlotSpec
    from tasks.fetching import Fetched
    from tasks.render import PaintJob, PaintResult

_LAST_WORDS_SECONDS = 5.0
# How often new files of a pair are sent on: a checkpoint is there for others that much later.
_FOLLOW_SECONDS = 0.5
_ANY_SIZE = 1 << 50


class RemoteSlot:
    """One slot on this machine, for a run on another one.

    Args:
        spec: The slot; the engine has set ``CUDA_VISIBLE_DEVICES`` for it.
        entry: The job function, ``module:function``; its jobs are `tasks.render.PaintJob`.
        keep: ``s3://bucket/prefix`` where pairs under way keep their files; None sends them home.
    """

    def __init__(self, spec: SlotSpec, entry: str, keep: str | None) -> None:
        self._spec = spec
        self._entry = entry
        self._keep_at = keep
        self._keep: Keep | None = None
        self._news: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._working: threading.Thread | None = None

    def warm(self, product: str) -> dict[str, Any]:
        """Get ready, and return ``host`` and ``pid``.

        Args:
            product: The version of nst-gallery that asks.

        Raises:
            SlotUnusable: This machine has another version, or the slot's process does not start.
            SettingsError: Its environment is wrong.
        """
        host, ours = socket.gethostname(), version("nst-gallery")
        if ours != product:
            raise SlotUnusable(
                f"{host} has nst-gallery {ours}, and {product} asks",
                remedy="install the same version on every machine of the cluster",
            )
        settings = Settings.from_environment()
        away = settings.scratch / "away"
        self._inputs = away / "inputs"
        self._folder, self._lock = _own_folder(away)
        if self._keep_at:
            # Checkpoints are ours, and of large pictures larger than any picture may be.
            generous = replace(settings, max_input_bytes=_ANY_SIZE)
            self._keep = Keep(store_for(self._keep_at, generous), self._keep_at)
        neighbours = max(1, count_cores() // self._spec.threads)
        self._memory = memory_of_slot([self._spec] * neighbours)
        logging.getLogger().addHandler(
            LogRelay(
                lambda name, level, text: self._news.put(("log", name, level, f"{host}: {text}"))
            )
        )
        self._pool = SlotPool([self._spec], self._entry, logs=self._folder / "logs")
        self._pool.warm()
        return {"host": host, "pid": os.getpid()}

    def ping(self) -> None:
        """Be there."""

    def lacks(self, wanted: Sequence[Fetched]) -> list[str]:
        """Return the SHA-256 of the pictures that are not on this machine."""
        paths = {
            one.sha256: (pair_files.input_path(self._inputs, one), one.bytes) for one in wanted
        }
        return [sha for sha, (path, size) in paths.items() if not _has(path, size)]

    def take(self, picture: Fetched, data: bytes) -> None:
        """Keep a picture on this machine.

        Raises:
            OutputError: It cannot be written.
        """
        write_atomic(pair_files.input_path(self._inputs, picture), data)

    def begin(
        self,
        job: PaintJob,
        files: Sequence[tuple[str, bytes]],
        seconds_left: float,
        stall_seconds: float,
    ) -> None:
        """Begin to paint a pair whose pictures are here; `hear` tells how it goes.

        Args:
            job: The pair, as the machine that asks knows it.
            files: What that machine has of it.
            seconds_left: Until it must be saved.
            stall_seconds: Silence from which on it is stuck.
        """
        moved = pair_files.moved(job, root=self._folder / job.pair_id, inputs=self._inputs)
        if moved.memory is None:
            moved = replace(moved, memory=self._memory)
        deadline = time.monotonic() + seconds_left
        paint = partial(self._paint, moved, files, deadline, stall_seconds)
        self._working = threading.Thread(target=self._work, args=(paint,), daemon=True)
        self._working.start()

    def hear(self, seconds: float) -> list[tuple[Any, ...]]:
        """Return the messages there are; waits so long for the first."""
        heard = []
        with suppress(queue.Empty):
            heard.append(self._news.get(timeout=seconds))
            while True:
                heard.append(self._news.get_nowait())
        return heard

    def leave(self) -> None:
        """Save what is being painted, tell so, and clear up."""
        self._pool.stop()
        if self._working:
            self._working.join(_LAST_WORDS_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self, paint: Callable[[], tuple[Any, ...]]) -> None:
        """Paint a pair to its end, whatever that is."""
        try:
            end = paint()
        except Stopped as stopped:
            end = "stopped", str(stopped)
        except SlotError as error:
            end = "failed", error
        except Exception as error:  # noqa: BLE001 # a full disk, say: only this job fails
            end = "failed", explain(error)
        self._news.put(end)

    def _paint(
        self,
        job: PaintJob,
        files: Sequence[tuple[str, bytes]],
        deadline: float,
        stall_seconds: float,
    ) -> tuple[Any, ...]:
        found = pair_files.places(job)
        kept = self._keep.fetch(job.pair_id) if self._keep else []
        for name, data in (*files, *kept):
            pair_files.put(found, name, data)
        mirror = Mirror(found)
        over = threading.Event()

        def follow() -> None:
            while not over.wait(_FOLLOW_SECONDS):
                self._send_on(job.pair_id, mirror)

        following = threading.Thread(target=follow, daemon=True)
        following.start()
        try:
            result: PaintResult = self._pool.run(
                {"pair": job},
                lambda event: self._news.put(("event", event)),
                deadline=deadline,
                stall_seconds=stall_seconds,
            )
        except BaseException:
            over.set()
            following.join()
            self._send_on(job.pair_id, mirror)
            raise
        else:
            over.set()
            following.join()
            for path in result.files:
                with suppress(FileNotFoundError):  # then publishing says what is missing
                    self._news.put(("keep", f"painting/{path.name}", path.read_bytes()))
            return "done", result
        finally:
            shutil.rmtree(job.folder.parent, ignore_errors=True)

    def _send_on(self, pair_id: str, mirror: Mirror) -> None:
        """Bring what is new where the next machine finds it."""
        fresh, gone = mirror.changes()
        for name, data in fresh:
            if self._keep:
                self._keep.put(pair_id, name, data)
            else:
                self._news.put(("keep", name, data))
        if self._keep and gone:
            self._keep.drop(pair_id, gone)
        elif gone:
            for name in gone:
                self._news.put(("drop", name))


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _own_folder(away: Path) -> tuple[Path, FileLock]:
    """Return a new folder and its lock; folders of slots that were killed are removed."""
    away.mkdir(parents=True, exist_ok=True)
    with FileLock(away / "lock"):
        for old in away.glob("slot-*"):
            with suppress(Timeout, OSError), FileLock(old / "lock", timeout=0):
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="slot-", dir=away))
        lock = FileLock(folder / "lock", timeout=0, thread_local=False)
        lock.acquire()
    return folder, lock
