"""What a night has to do: planned pairs held against the records of what is painted already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from manifests.locations import written_out
from manifests.naming import SHORTEST_ID, name_of
from manifests.wording import printable
from nst_core.networks import network
from nst_core.recipe import ALGORITHM_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from manifests.pairs import Mask, Pair, StylePicture
    from manifests.picture_sources import MaskSource, RegionSource, StyleSource

_SHOWN_DIGITS = 8
_ID_DIGITS = 64


class Painted(Protocol):
    """A finished pair, as its record tells of it."""

    @property
    def pair_id(self) -> str:
        """The pair's identity."""

    @property
    def content(self) -> str | None:
        """Where the content lay."""

    @property
    def content_sha256(self) -> str | None:
        """Of the content's bytes."""

    @property
    def styles(self) -> Sequence[StyleSource]:
        """The style pictures, in order."""

    @property
    def regions(self) -> Sequence[RegionSource]:
        """Those of the content, in order."""

    @property
    def recipe_name(self) -> str:
        """The recipe's name at that time."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Every resolved parameter."""

    @property
    def output(self) -> Mapping[str, Any]:
        """What decided the files' bytes."""

    @property
    def weights_sha256(self) -> str:
        """Of the network's weights."""

    @property
    def algorithm_version(self) -> int:
        """Of the program that painted it."""

    @property
    def grown_from(self) -> object | None:
        """Of a print, the finished picture that it enlarges."""

    @property
    def draft(self) -> bool:
        """Whether a better painting is still to come."""


@dataclass(frozen=True)
class Planned:
    """A pair with its identity and its file name.

    Args:
        pair: What and how.
        pair_id: 64 hex digits.
        stem: File name without ending, unique in its plan.
    """

    pair: Pair
    pair_id: str
    stem: str


@dataclass(frozen=True)
class Changed:
    """A pair of which an older picture is there.

    Args:
        planned: The pair as it is now.
        painted: As it was painted; that picture stays.
        why: What differs, one line each.
    """

    planned: Planned
    painted: Painted
    why: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a night has to do.

    Args:
        kept: Painted already.
        new: Not painted yet.
        changed: Painted from other pictures or by another recipe.
        orphaned: Painted, but in the manifest no more; these pictures stay.
    """

    kept: tuple[Planned, ...]
    new: tuple[Planned, ...]
    changed: tuple[Changed, ...]
    orphaned: tuple[Painted, ...]

    @property
    def to_paint(self) -> tuple[Planned, ...]:
        """Everything to be painted."""
        return (*self.new, *(change.planned for change in self.changed))

    def seconds(self, cost: Callable[[Pair], float], *, slots: int = 1) -> float:
        """Return how long painting takes, at best.

        Args:
            cost: Seconds for one pair in one slot.
            slots: Pairs that are painted at once.
        """
        each = [cost(planned.pair) for planned in self.to_paint]
        return max(sum(each) / slots, max(each, default=0.0))


def identify(pairs: Iterable[Pair], digests: Mapping[str, str]) -> tuple[Planned, ...]:
    """Return the pairs with their identities, equal ones once.

    Different files may hold the same bytes; what is painted from them is the same picture.

    Args:
        pairs: From the manifest.
        digests: SHA-256 of the bytes at every location of the pairs.
    """
    by_id: dict[str, Pair] = {}
    for pair in pairs:
        by_id.setdefault(pair.pair_id(digests), pair)
    digits = _digits(by_id)
    return tuple(
        Planned(pair, pair_id, pair.stem(pair_id, digits=digits)) for pair_id, pair in by_id.items()
    )


def compare(
    planned: Sequence[Planned], painted: Iterable[Painted], digests: Mapping[str, str]
) -> Plan:
    """Return what is to be done.

    Args:
        planned: The manifest's pairs.
        painted: What is finished in the same collection.
        digests: SHA-256 of the bytes at every location of the pairs.
    """
    wanted = {one.pair_id for one in planned}
    finished: set[str] = set()  # of thousands only the identity
    drafts: dict[str, Painted] = {}
    others: dict[str, Painted] = {}
    for one_painted in painted:
        if one_painted.pair_id not in wanted:
            others[one_painted.pair_id] = one_painted
        elif one_painted.draft:
            drafts[one_painted.pair_id] = one_painted
        else:
            finished.add(one_painted.pair_id)
    older: dict[object, list[Painted]] = defaultdict(list)
    for old in others.values():
        # A print of another size is another picture, though all else of it is the same.
        work = old.recipe_name, old.grown_from and old.recipe["octaves"]["size"]
        older[_subject(old.content, old.styles, work)].append(old)
        # A folder may have been moved, or called otherwise.
        hashes = tuple(style.sha256 for style in old.styles)
        older[old.content_sha256, hashes, work].append(old)
    kept: list[Planned] = []
    new: list[Planned] = []
    changed: list[Changed] = []
    replaced: set[str] = set()
    for one in planned:
        pair = one.pair
        hashes = tuple(digests[style.location] for style in pair.styles)
        content = pair.content and digests[pair.content]
        work = pair.recipe_name, pair.origin and pair.recipe.octaves.size
        before = older.get(_subject(pair.content, pair.styles, work)) or older.get(
            (content, hashes, work), []
        )
        if one.pair_id in finished:
            kept.append(one)
        elif one.pair_id in drafts:
            changed.append(Changed(one, drafts[one.pair_id], ("only a draft so far",)))
        elif before:
            changes = [Changed(one, old, _differences(pair, old, digests)) for old in before]
            changed.append(min(changes, key=lambda change: len(change.why)))
            replaced.update(old.pair_id for old in before)
        else:
            new.append(one)
    orphaned = [old for key, old in others.items() if key not in replaced]
    return Plan(tuple(kept), tuple(new), tuple(changed), tuple(orphaned))


def _digits(pair_ids: Iterable[str]) -> int:
    """Return how many digits keep all identities apart."""
    ids = set(pair_ids)
    return next(
        digits
        for digits in range(SHORTEST_ID, _ID_DIGITS + 1)
        if len({pair_id[:digits] for pair_id in ids}) == len(ids)
    )


def _subject(
    content: str | None, styles: Iterable[StylePicture | StyleSource], work: object
) -> object:
    """Return what people take for the same pair, though its picture may differ."""
    pictures = [written_out(style.location) for style in styles]
    return content and written_out(content), tuple(pictures), work


def _differences(pair: Pair, old: Painted, digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return what sets a pair apart from its older picture."""
    now: dict[str, Any] = {
        "content": pair.content and digests[pair.content][:_SHOWN_DIGITS],
        "recipe": pair.recipe.parameters(),
        "output": pair.output.parameters(),
        "algorithm_version": ALGORITHM_VERSION,
    }
    then: dict[str, Any] = {
        "content": old.content_sha256 and old.content_sha256[:_SHOWN_DIGITS],
        "recipe": old.recipe,
        "output": old.output,
        "algorithm_version": old.algorithm_version,
    }
    named = [printable(name_of(style.location)) for style in pair.styles]
    for index, (new_style, old_style) in enumerate(zip(pair.styles, old.styles, strict=True)):
        name = f"style {named[index]}"
        if named.count(named[index]) > 1:
            name = f"style {index + 1}, {named[index]}"
        now[name] = digests[new_style.location][:_SHOWN_DIGITS], new_style.weight
        then[name] = old_style.sha256[:_SHOWN_DIGITS], old_style.weight
        if new_style.region or old_style.region:
            new_mask, old_mask = new_style.mask, old_style.mask
            now[f"{name} in"] = new_style.region, new_mask and _new_mask(new_mask, digests)
            then[f"{name} in"] = old_style.region, old_mask and _old_mask(old_mask)
    now["region"] = {name: _new_mask(mask, digests) for name, mask in pair.regions}
    then["region"] = {region.name: _old_mask(region.mask) for region in old.regions}
    if not old.weights_sha256.startswith(network(pair.recipe.network).source.sha256):
        now["weights"], then["weights"] = "new", "old"
    before, after = dict(_leaves(then)), dict(_leaves(now))
    return tuple(
        f"{name}: {before.get(name, 'nothing')} → {after.get(name, 'nothing')}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )


def _new_mask(mask: Mask, digests: Mapping[str, str]) -> tuple[Any, ...]:
    return digests[mask.location][:_SHOWN_DIGITS], mask.color, mask.feather


def _old_mask(mask: MaskSource) -> tuple[Any, ...]:
    return mask.sha256[:_SHOWN_DIGITS], mask.color, mask.feather


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield everything in nested mappings and lists with its dotted name."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
