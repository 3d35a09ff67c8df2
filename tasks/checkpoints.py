"""Checkpoints: what continuing an interrupted pair exactly takes, in files that prove themselves.

A checkpoint is one safetensors file whose name holds the SHA-256 of its bytes, as no format notices
a flipped bit by itself. Two are kept for each pair; what is damaged, of another pair or of another
version of the algorithm is removed with a warning, and the one before it is used.
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import safetensors

from nst_core.octave_run import Snapshot
from tasks.durable import OutputError, remove, sha256_file, sha256_of, write_atomic
from tasks.tensor_files import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_KEPT = 2
# A checkpoint is made when so many times the last one's cost has passed.
_AFFORDABLE = 20
_SCHEMA = 1
_DIGITS = 16
_NAME = re.compile(r"octave(\d+)-step(\d{6,})\.([0-9a-f]{16})\.safetensors")
_PAIR_ID = re.compile(r"[0-9a-f]{64}")
_METADATA = "checkpoint"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A verified checkpoint.

    Args:
        snapshot: Where the synthesis stood; its tensors are contiguous.
        losses: The rows of the loss log up to here.
        notes: What else the worker wants back, as JSON has it.
    """

    snapshot: Snapshot
    losses: Sequence[Mapping[str, float]] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


class _UnusableError(Exception):
    """A file that is no checkpoint to continue from."""


class CheckpointFolder:
    """The checkpoints of one pair, in a folder of its own.

    Args:
        root: The output's folder of checkpoints; the pair's is created in it with the first one.
        pair_id: 64 hex digits.
        algorithm_version: Checkpoints of another one are not taken up.

    Raises:
        ValueError: That is no pair id.
    """

    def __init__(self, root: Path, pair_id: str, *, algorithm_version: int) -> None:
        if not _PAIR_ID.fullmatch(pair_id):
            raise ValueError(f"{pair_id!r} is no pair id: 64 hex digits are")
        self.folder = root / pair_id
        self._identity = {
            "schema": _SCHEMA,
            "pair_id": pair_id,
            "algorithm_version": algorithm_version,
        }

    def save(
        self,
        snapshot: Snapshot,
        *,
        losses: Sequence[Mapping[str, float]] = (),
        notes: Mapping[str, Any] | None = None,
    ) -> bool:
        """Keep a checkpoint, and of the older ones only the latest.

        Without it the pair only stands to lose more time, so a disk that refuses it is reported in
        the log and nowhere else.

        Args:
            snapshot: Where the synthesis stands.
            losses: The rows of the loss log so far.
            notes: What else is wanted back; JSON's types.

        Returns:
            Whether it is kept.
        """
        metadata = self._identity | {
            "octave": snapshot.octave,
            "step": snapshot.step,
            "losses": list(losses),
            "notes": dict(notes or {}),
        }
        data = pieces(snapshot.tensors, {_METADATA: json.dumps(metadata)})
        place = f"octave{snapshot.octave}-step{snapshot.step:06d}"
        path = self.folder / f"{place}.{sha256_of(data)[:_DIGITS]}.safetensors"
        try:
            write_atomic(path, data)
            for old in [other for other in self._files() if other != path][_KEPT - 1 :]:
                remove(old)
        except (OSError, OutputError) as error:
            _log.warning("no checkpoint at %s: %s", place, error)
            return False
        return True

    def latest(self) -> Checkpoint | None:
        """Return the last checkpoint that is whole and of this pair, or None.

        Others that stand before it are removed, or they would take the place of good ones.

        Raises:
            OSError: The folder cannot be read.
        """
        tried: set[Path] = set()
        # Listed anew each time: whoever saves meanwhile removes files that were listed before.
        while rest := [path for path in self._files() if path not in tried]:
            path = rest[0]
            tried.add(path)
            try:
                return self._read(path)
            except OSError as error:
                _log.warning("checkpoint %s is passed over: %s", path.name, error)
            except _UnusableError as error:
                _log.warning("checkpoint %s is removed: %s", path.name, error)
                with suppress(OutputError):
                    remove(path)
        return None

    def remove(self) -> None:
        """Remove all of the pair's checkpoints, once its picture is published.

        Raises:
            OutputError: Some may still be there.
        """
        for path in self._files():
            remove(path)
        # Not empty: a killed process left a temporary file, which is cleared away with the others.
        with suppress(OSError):
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        """Return the pair's checkpoints, the furthest first."""
        try:
            named = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        places = [(int(name[1]), int(name[2]), path) for name, path in named if name]
        return [path for *_, path in sorted(places, reverse=True)]

    def _read(self, path: Path) -> Checkpoint:
        name = _NAME.fullmatch(path.name)
        if name is None or sha256_file(path)[:_DIGITS] != name[3]:
            raise _UnusableError("it is damaged")
        try:
            # One tensor at a time: the whole file beside them would double what is needed.
            with safetensors.safe_open(path, "pt") as file:
                metadata = json.loads(file.metadata()[_METADATA])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            identity = {key: metadata[key] for key in self._identity}
            snapshot = Snapshot(metadata["octave"], metadata["step"], tensors)
            checkpoint = Checkpoint(snapshot, metadata["losses"], metadata["notes"])
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise _UnusableError(f"it is not one of ours ({error})") from error
        if identity != self._identity:
            raise _UnusableError("it belongs to another pair or another version")
        return checkpoint


class Pace:
    """Decides when the next checkpoint is worth its cost.

    A checkpoint is due when waiting for one more step would put more than ``seconds`` of work at
    risk, but never before twenty times the last one's cost has passed: it costs 5 % of the time
    at most.

    Args:
        seconds: Work that may be lost, where that can be afforded.
        clock: Gives seconds that only ever grow.
    """

    def __init__(
        self, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._cost = 0.0
        self._saved = self._asked = clock()

    def is_due(self) -> bool:
        """Return whether to save now; to be asked after every step."""
        now = self._clock()
        step, self._asked = now - self._asked, now
        unsaved = now - self._saved
        return unsaved + step >= self._seconds and unsaved >= _AFFORDABLE * self._cost

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure what a checkpoint costs, snapshot included."""
        begun = self._clock()
        try:
            yield
        finally:
            self._saved = self._asked = self._clock()
            self._cost = self._saved - begun
