"""What painting a pair takes, before it is painted: time, memory, bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flows.simulation import Job
from nst_core.errors import NSTError
from nst_core.footprint import Memory
from nst_core.sketches import require_room
from tasks.calibration import file_bytes, memory

if TYPE_CHECKING:
    from flows.inputs import Inputs
    from manifests.pairs import Pair
    from nst_core.octaves import Size
    from nst_core.recipe import Recipe
    from tasks.calibration import Speeds

_UNKNOWN_SIZE: Size = (3, 4)


class Estimate(NamedTuple):
    """What one pair takes.

    Args:
        seconds: That one slot paints.
        memory: A slot's peak, in bytes.
        output_bytes: Of the pair's files.
    """

    seconds: float
    memory: float
    output_bytes: float


class Estimates:
    """Estimates for the pairs of one manifest; thousands of them share a recipe and a size.

    Args:
        inputs: What the pairs read, fetched.
        speeds: Of a slot, for the kind of every pair's recipe.
        limit: Bytes that a slot may take; None for as much as it takes.
    """

    def __init__(
        self,
        inputs: Inputs,
        speeds: Speeds,
        *,
        limit: int | None = None,
    ) -> None:
        self._inputs = inputs
        self._speeds = speeds
        self._limit = limit
        self._sizes: dict[str | None, Size] = {None: (1, 1)}
        self._known: dict[tuple[Recipe, Size], Estimate] = {}

    def job(self, pair: Pair) -> Job:
        """Return the pair as a simulation sees it."""
        estimate = self.of(pair)
        inputs = tuple((where, self._bytes(where)) for where in pair.locations)
        return Job(estimate.seconds, inputs, estimate.output_bytes)

    def of(self, pair: Pair) -> Estimate:
        """Return what a pair takes."""
        size = self._size(pair.content)
        # Not by its name: prints of pictures that an older recipe of that name painted share it.
        key = pair.recipe, size
        if key not in self._known:
            speed = self._speeds.of(pair.recipe)
            self._known[key] = Estimate(
                speed.seconds(pair.recipe, size, self._limit),
                memory(pair.recipe, size, Memory(self._limit, bf16=speed.bf16)),
                file_bytes(pair.recipe, size),
            )
        return self._known[key]

    def can_be_painted(self, pair: Pair) -> bool:
        """Tell whether a pair's pictures are here, of a kind and a shape that can be painted."""
        try:
            for location in pair.locations:
                self._inputs.header(location)
            require_room(pair.recipe, self._size(pair.content))
        except NSTError:
            return False
        return True

    def _size(self, location: str | None) -> Size:
        if location not in self._sizes:
            assert location is not None
            try:
                header = self._inputs.header(location)
                self._sizes[location] = header.height, header.width
            except NSTError:
                # The pair will fail; `nst check` tells why.
                self._sizes[location] = _UNKNOWN_SIZE
        return self._sizes[location]

    def _bytes(self, location: str) -> int:
        return 0 if self._inputs.reason_against(location) else self._inputs.require(location).bytes
