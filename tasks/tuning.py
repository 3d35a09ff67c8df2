"""How many slots pay on this machine: tried out by `nst doctor --tune`, and remembered.

On a CPU, slots of one thread and slots of many share the same cores; on a card, a second slot
paints while the first one waits for the processor, as long as both fit into its memory. What wins
is measured with all slots busy, as they will paint.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nst_core.dials import Dials, turn
from nst_core.presets import preset
from tasks.calibration import memory, speeds
from tasks.devices import arrange, count_cards, count_cores, find_devices
from tasks.durable import write_atomic
from tasks.jobs import SlotError, SlotUnusable
from tasks.memory import memory_of_slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from nst_core.octaves import Size
    from tasks.devices import SlotSpec
    from tasks.settings import Settings

    # Pictures per hour of all slots together.
    Measure = Callable[[Sequence[SlotSpec]], float]

_log = logging.getLogger(__name__)

# A card is idle at sizes that keep a CPU busy.
_SIZES_OF_CARDS: tuple[Size, Size] = ((240, 320), (768, 1024))
_USUAL = {"cpu": 512, "cuda": 1024}
_MOST_ON_A_CARD = 6
# What more slots must gain: each takes memory, and its pairs take longer.
_WORTH = 1.05


@dataclass(frozen=True)
class Trial:
    """One arrangement of slots, measured.

    Args:
        slots: On all devices together.
        threads: Of torch in each.
        pictures_per_hour: Of a usual size, by all slots together.
    """

    slots: int
    threads: int
    pictures_per_hour: float


def slots_of(
    settings: Settings,
    *,
    cards: Callable[[], dict[str, int]] | None = None,
    cores: int | None = None,
) -> list[SlotSpec]:
    """Return the slots of this machine: as the settings say, as tuned, or as is usual.

    Args:
        settings: ``NST_SLOTS`` or ``NST_TORCH_THREADS`` go before what is remembered.
        cards: Counts the devices; by default torch is asked.
        cores: Of the CPU; by default counted.

    Raises:
        DeviceError: There is no such device here.
    """
    names = find_devices(settings.device, cards)
    cores = cores or count_cores()
    slots, threads = settings.slots, settings.torch_threads
    if slots is None and threads is None and (known := _remembered(settings.scratch, names, cores)):
        slots = known.slots
    return arrange(names, slots=slots, threads=threads, cores=cores)


def tune(
    settings: Settings,
    *,
    measure: Measure | None = None,
    cards: Callable[[], dict[str, int]] | None = None,
    cores: int | None = None,
    available: float | None = None,
) -> tuple[list[Trial], Trial]:
    """Try arrangements of slots, remember the best, and return all of them and that one.

    Args:
        settings: Its device is tuned, within its memory limit; its scratch folder remembers.
        measure: Gives pictures per hour; by default a few steps are painted in every slot.
        cards: Counts the devices; by default torch is asked.
        cores: Of the CPU; by default counted.
        available: Bytes of main memory that may be taken; by default the system is asked.

    Raises:
        DeviceError: There is no such device here.
        SlotUnusable: None could be measured.
        OutputError: The best one cannot be remembered.
    """
    cards = cards or count_cards
    cores = cores or count_cores()
    names = find_devices(settings.device, cards)
    measure = measure or (lambda specs: _pictures_per_hour(specs, settings.scratch))
    trials: list[Trial] = []
    for specs in _arrangements(names, cores):
        if not _fits(specs, settings, cards, available):
            continue
        trials.append(_tried(specs, measure))
        if names != ["cpu"] and _stands_still(trials):
            break
    fastest = max(trial.pictures_per_hour for trial in trials)
    if not fastest:
        raise SlotUnusable(
            "no arrangement of slots could be measured",
            remedy="try again when less is going on: the log tells what went wrong",
        )
    best = next(trial for trial in trials if trial.pictures_per_hour * _WORTH >= fastest)
    told: dict[str, Any] = asdict(best) | {"version": version("nst-gallery")}
    write_atomic(_path(settings.scratch, names, cores), json.dumps(told).encode())
    return trials, best


def _tried(specs: Sequence[SlotSpec], measure: Measure) -> Trial:
    """Measure an arrangement; one that fails, or takes for ever, paints nothing in an hour."""
    try:
        rate = measure(specs)
    except SlotError as error:
        _log.warning("%d slots of %d threads: %s", len(specs), specs[0].threads, error)
        rate = 0.0
    return Trial(len(specs), specs[0].threads, rate)


def _arrangements(names: Sequence[str], cores: int) -> Iterator[list[SlotSpec]]:
    """Yield what is worth trying, fewest slots first."""
    if names == ["cpu"]:
        counts = sorted({count for count in (1, 2, 4, 8, 16, 32, 64) if count < cores} | {cores})
        for count in counts:
            yield arrange(names, slots=count, cores=cores)
        return
    for each in range(1, _MOST_ON_A_CARD + 1):
        yield arrange(names, slots=each * len(names), cores=cores)


def _fits(
    specs: Sequence[SlotSpec],
    settings: Settings,
    cards: Callable[[], dict[str, int]],
    available: float | None,
) -> bool:
    """Tell whether a picture of the usual size is painted whole in each slot; one always is."""
    if len(specs) == 1 or specs[0].device == "mps":
        return len(specs) == 1
    there = memory_of_slot(
        specs,
        limit=settings.memory_limit,
        available=available,
        of_card=lambda: cards()["bytes"],
    )
    recipe, picture = _usual(specs)
    return there is None or memory(recipe, picture) <= there


def _stands_still(trials: Sequence[Trial]) -> bool:
    if len(trials) < 2:  # noqa: PLR2004
        return False
    before, now = (trial.pictures_per_hour for trial in trials[-2:])
    return now < before * _WORTH


def _pictures_per_hour(specs: Sequence[SlotSpec], scratch: Path) -> float:
    recipe, picture = _usual(specs)
    options = {} if specs[0].device == "cpu" else {"sizes": _SIZES_OF_CARDS}
    found = speeds(specs, scratch, [recipe], again=True, **options).of(recipe)
    return 3600 / found.seconds(recipe, picture) * len(specs)


def _usual(specs: Sequence[SlotSpec]) -> tuple[Any, Size]:
    """Return a recipe and a content's size that many people paint on such a device."""
    size = _USUAL["cpu" if specs[0].device == "cpu" else "cuda"]
    return turn(preset("gallery").recipe, Dials(size=size)), (size * 3 // 4, size)


def _remembered(scratch: Path, names: Sequence[str], cores: int) -> Trial | None:
    try:
        kept = json.loads(_path(scratch, names, cores).read_bytes())
        if kept.pop("version") == version("nst-gallery"):
            return Trial(**kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _path(scratch: Path, names: Sequence[str], cores: int) -> Path:
    what = "-".join(names).replace(":", "")
    return scratch / "tuned" / f"{what}-{cores}.json"
