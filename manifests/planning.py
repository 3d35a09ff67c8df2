"""From a manifest to its pairs: every content of its sets with every style, by every recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from manifests.pairs import OutputFormat, Pair, Sheet, StylePicture
from manifests.problems import ManifestError, quoted
from manifests.recipe_entry import StartPicture
from manifests.recipes import TELLING, frames_of, nearly_named
from manifests.sets import NOTHING, Sets
from manifests.sweeps import variants
from nst_core.errors import NSTError, did_you_mean
from nst_core.masks import REST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from manifests.problems import Path, Problem
    from manifests.recipe_entry import RecipeEntry
    from manifests.schema import Manifest, Pairing
    from manifests.sets import Find, Subject
    from manifests.sweeps import Variant
    from nst_core.errors import FailureKind

MAX_PAIRS = 100_000


def expand(
    manifest: Manifest,
    find: Find,
    *,
    output: str | None = None,
    on_warning: Callable[[Problem], None] = lambda _: None,
) -> tuple[Pair, ...]:
    """Return the pairs of a manifest, each once, in the order in which they are to be painted.

    Pairs of a higher priority come first; otherwise they follow the manifest, style by style, so
    that what is prepared for a style serves all its contents.

    Args:
        manifest: What was asked for.
        find: Returns the locations that a path, folder, pattern or address stands for, in order;
            none, or an `NSTError` of kind ``input``, means that there are none.
        output: Where the pictures go in place of the manifest's own output, absolute. What lies in
            either is no photo for a pattern that merely sweeps over it.
        on_warning: Is told what is no error but hardly meant.

    Raises:
        ManifestError: Patterns that find nothing, no pairs at all, or more than `MAX_PAIRS`.
        NSTError: A store does not answer.
    """
    expansion = _Expansion(manifest, find, output)
    for index, pairing in enumerate(manifest.pairings):
        expansion.add(index, pairing)
    return expansion.result(on_warning)


class NoPairError(NSTError):
    """A pattern that fits none of a manifest's pairs."""

    code = "E-ONLY"
    kind: FailureKind = "input"


def only(pairs: Sequence[Pair], pattern: str | None) -> tuple[Pair, ...]:
    """Return the pairs that a pattern fits; all without one.

    Args:
        pairs: To choose from.
        pattern: See :meth:`manifests.pairs.Pair.matches`.

    Raises:
        NoPairError: It fits none.
    """
    if pattern is None:
        return tuple(pairs)
    fitting = tuple(pair for pair in pairs if pair.matches(pattern))
    if pairs and not fitting:
        called = pairs[0].slugs
        raise NoPairError(
            f"no pair is called {quoted(pattern)}{did_you_mean(pattern, (p.slugs for p in pairs))}",
            remedy=f"pairs are called like {called}, and * stands for any text",
        )
    return fitting


class _Expansion:
    """The pairs of the pairings so far, with what is wrong with them."""

    def __init__(self, manifest: Manifest, find: Find, output: str | None) -> None:
        self._manifest = manifest
        self._sets = Sets(manifest, find, output)
        self._pairs: dict[object, tuple[int, Pair]] = {}
        self._known: dict[object, tuple[Variant, ...]] = {}
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []

    def add(self, index: int, pairing: Pairing) -> None:
        """Add a pairing's pairs, but for those that are excluded or there already."""
        path: Path = ("pairings", index)
        uses = Counter(dict.fromkeys(pairing.exclude or (), 0))
        repeated: Counter[int] = Counter()
        for pair in self._product(path, pairing):
            fitting = [pattern for pattern in uses if pair.matches(pattern)]
            uses.update(fitting)
            if fitting:
                continue
            earlier, kept = self._pairs.setdefault(pair.what, (index, pair))
            if kept is not pair:
                repeated[earlier] += 1
                highest = max(kept.priority, pair.priority)
                sheets = tuple(dict.fromkeys(kept.sheets + pair.sheets))
                self._pairs[pair.what] = (
                    earlier,
                    replace(kept, priority=highest, sheets=sheets),
                )
        for earlier, count in repeated.items():
            said = f"{count} of its pairs are in pairings.{earlier} already; each is painted once"
            self._warn("W-MANIFEST-TWICE", path, said)
        for place, pattern in enumerate(pairing.exclude or ()):
            if not uses[pattern]:
                said = f"{quoted(pattern)} excludes nothing"
                self._warn("W-MANIFEST-EXCLUDE", (*path, "exclude", place), said)

    def result(self, on_warning: Callable[[Problem], None]) -> tuple[Pair, ...]:
        """Return the pairs.

        Raises:
            ManifestError: Something is wrong with them.
        """
        problems = [*self._problems, *self._sets.problems]
        if not self._pairs and not problems:
            said = "everything is excluded; nothing is left to paint"
            problems.append(self._manifest.problem("E-MANIFEST-NOPAIRS", ("pairings",), said))
        if problems:
            raise ManifestError(problems)
        named = {
            ("recipes", name) for pairing in self._manifest.pairings for name in pairing.recipe
        }
        recipes = {("recipes", name) for name in self._manifest.recipes}
        for path in [*self._sets.unused(), *sorted(recipes - named)]:
            self._warn("W-MANIFEST-UNUSED", path, "is in no pairing")
        for name, given in self._manifest.style_sets.items():
            if near := nearly_named(labels := given.labels(name)):
                said = f"{quoted(labels[near[0]])} names no manner; did you mean '{near[1]}'?"
                self._warn("W-MANIFEST-MANNER", ("style_sets", name, near[0]), said)
        for warning in self._warnings:
            on_warning(warning)
        pairs = [pair for _, pair in self._pairs.values()]
        return tuple(sorted(pairs, key=lambda pair: -pair.priority))

    def _product(self, path: Path, pairing: Pairing) -> Iterator[Pair]:
        """Yield every content with every style by every recipe of a pairing."""
        contents = self._sets.contents(pairing.content)
        if isinstance(pairing.style, Mapping):
            styles = self._sets.by_region(pairing.style, (*path, "style"))
            contents = [one for one in contents if self._has_regions(one, pairing.style, path)]
        else:
            styles = self._sets.styles(pairing.guide or pairing.style)
        each = len(contents) * len(styles)
        recipes = sum(len(self._variants(name, NOTHING)) for name in pairing.recipe)
        many = len(self._pairs) + each * recipes
        if many > MAX_PAIRS:
            said = f"{many:,} pairs with this pairing; no more than {MAX_PAIRS:,} can be painted"
            self._problems.append(self._manifest.problem("E-MANIFEST-PAIRS", path, said))
            return
        for name in pairing.recipe:
            for place, plain in enumerate(self._variants(name, NOTHING)):
                why = plain.recipe.against_regions
                if why and isinstance(pairing.style, Mapping):
                    said = f"recipe {quoted(plain.name)} cannot paint by region: {why}"
                    problem = self._manifest.problem("E-MANIFEST-REGION", (*path, "style"), said)
                    self._problems.append(problem)
                    continue
                for style, content, sheets in _shown(contents, styles, plain):
                    variant = self._variants(name, style)[place]
                    yield _pair(
                        content,
                        style,
                        variant,
                        start=self._start(name, variant.entry),
                        output=_output(variant.entry, self._manifest.background),
                        priority=pairing.priority,
                        sheets=tuple((_sheet(name, *sides), variant.axes) for sides in sheets),
                    )

    def _variants(self, name: str, style: Subject) -> tuple[Variant, ...]:
        """Return the variants of a recipe, in the manner that a side's styles share."""
        labels = style.labels if style.shared is None else style.shared
        key = name, *(labels.get(label) for label in TELLING)
        if key not in self._known:
            entry = self._manifest.recipe(name)
            self._known[key] = tuple(variants(name, entry, labels))
        return self._known[key]

    def _has_regions(self, content: Subject, wanted: Iterable[str], path: Path) -> bool:
        """Tell whether a content has the regions that a pairing paints, and note what it lacks."""
        lacking = [
            (picture, region)
            for picture in content.pictures
            for region in wanted
            if (region not in picture.regions if region != REST else not picture.regions)
        ]
        for picture, region in lacking:
            self._sets.lacks_region(picture, region, (*path, "style", region))
        return not lacking

    def _start(self, name: str, entry: RecipeEntry) -> str | None:
        if not isinstance(entry.init, StartPicture):
            return None
        return self._sets.single(entry.init.picture, ("recipes", name, "init", "picture"))

    def _warn(self, code: str, path: Path, message: str) -> None:
        self._warnings.append(self._manifest.problem(code, path, message))


def _shown(
    contents: Sequence[Subject], styles: Sequence[Subject], variant: Variant
) -> Iterator[tuple[Subject, Subject, list[tuple[Subject, Subject]]]]:
    """Yield each style and content that a variant paints, and the sides of the sheets it is on.

    Of a family, some may read the content alone and others the style; those are on the sheets of
    all that they do not read.
    """
    reads = variant.recipe.reads
    for style in styles if "style" in reads else [NOTHING]:
        for content in contents if "content" in reads else [NOTHING]:
            beside = [style] if "style" in reads else styles
            below = [content] if "content" in reads else contents
            yield style, content, [(c, s) for s in beside for c in below if variant.axes]


def _pair(content: Subject, style: Subject, variant: Variant, **rest: Any) -> Pair:
    painted = {one.region for one in style.pictures if one.region}
    manner = {"manner": variant.manner} if variant.manner else {}
    return Pair(
        content=content.pictures[0].location if content.pictures else None,
        styles=tuple(
            StylePicture(one.location, one.weight, one.region, one.mask) for one in style.pictures
        ),
        # What is in none of the regions depends on all of them.
        regions=tuple(
            (name, mask)
            for picture in content.pictures
            for name, mask in sorted(picture.regions.items())
            if name in painted or REST in painted
        ),
        recipe_name=variant.name,
        recipe=variant.recipe,
        content_name=content.name,
        style_name=style.name,
        labels=content.labels | style.labels | manner,
        credits=tuple(dict.fromkeys(content.credits + style.credits)),
        **rest,
    )


def _sheet(recipe: str, content: Subject, style: Subject) -> Sheet:
    return Sheet(
        recipe=recipe,
        content=content.pictures[0].location if content.pictures else None,
        styles=tuple(picture.location for picture in style.pictures),
        content_name=content.name,
        style_name=style.name,
    )


def _output(entry: RecipeEntry, background: str) -> OutputFormat:
    """Return what is to be written, as an entry says."""
    given = entry.format
    return OutputFormat(
        format=given.type,
        bits=given.bits,
        quality=OutputFormat.quality if given.quality is None else given.quality,
        provenance=given.provenance,
        dpi=given.dpi,
        frames=frames_of(entry),
        video=entry.frames.video if entry.frames else None,
        background=background,
    )
