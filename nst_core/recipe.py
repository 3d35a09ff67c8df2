"""The recipe: how a picture is painted, as one value.

A recipe holds every number that shapes the pixels and nothing else; its canonical JSON is part of
a pair's identity. Two recipes that differ paint different pictures, two that are equal the same.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from nst_core.architectures import IMAGE, LOGITS
from nst_core.canvases import Canvas, Pixels
from nst_core.errors import RecipeError
from nst_core.networks import Border, Pooling, Precision, network
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Optimizer
from nst_core.terms import StyleTerm, Term

if TYPE_CHECKING:
    from nst_core.networks import Network
    from nst_core.transforms import Transform

ALGORITHM_VERSION = 3
"""Raised by hand whenever the same recipe would paint other pixels."""

OBJECTS = "relu5_1"
"""The layer whose maps tell objects apart; see :mod:`nst_core.legibility`."""

_RANGES: dict[str, tuple[float, float]] = {
    "noise": (0, 10),
    "mix": (0, 1),
    "legibility": (0.05, 0.99),
    "focus": (0, 4),
    "style_scale": (0.05, 20),
    "style_size": (16, 32_768),
    "enlarge_style": (0, 1000),
    "seed": (0, 2**63 - 1),
    "log_every": (1, 100_000),
    # terms
    "weight": (0, 1e12),
    "ridge": (0, 1),
    "smoothing": (0, 10),
    "margin": (0, 1000),
    "unit": (0, 100_000),
    "channels": (0, 100_000),
    # transforms
    "pixels": (0, 10_000),
    "least": (0.05, 20),
    "most": (0.05, 20),
    "degrees": (0, 180),
    "side": (16, 32_768),
    # canvas and octaves; sizes in pixels
    "spectral": (0, 4),
    "size": (16, 32_768),
    "smallest": (16, 32_768),
    "ratio": (1.1, 16),
    "steps": (1, 100_000),
    "directions": (1, 4096),
    "bins": (2, 4096),
    "enough": (-1e12, 1e12),
    "patience": (1e-9, 1),
    "zooms": (0, 100_000),
    "zoom": (1.0001, 16),
    "decay": (0, 1),
    # optimisers
    "history": (1, 1000),
    "first_step": (1e-6, 1),
    "largest_step": (1e-6, 10),
    "rate": (1e-6, 1000),
    "last_rate": (1e-6, 1000),
    "largest_rate": (1e-9, 1e9),
    "blur": (0, 100),
    "last_blur": (0, 100),
    "blur_every": (1, 100_000),
    "small_norm": (0, 99),
    "small_contribution": (0, 99),
    "betas": (0, 0.999999),
    "average": (0, 0.999999),
}

Start = Literal["content", "noise", "mix", "picture"]
Color = Literal[
    "style",
    "match-content",
    "match-content-pca",
    "match-content-cholesky",
    "keep-luminance",
    "chroma-after",
    "palette",
    "full-contrast",
]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a picture is painted.

    Args:
        network: Whose features are compared; a name of :data:`nst_core.networks.NETWORKS`.
        pooling: Between the network's blocks. ``avg`` and ``l2`` are scaled so that activations
            keep their size.
        border: What the first convolution sees outside the picture. ``replicate`` leaves no frame
            around the painting; ``zeros`` is what the networks were trained with.
        terms: What is minimised; losses are logged per term, in this order.
        start: The first canvas: the ``content``, seeded ``noise``, a ``mix`` of both, or a given
            ``picture``.
        noise: With ``start: noise``, the standard deviation of the canvas's variables: of pixels
            around mid-grey, in units of [0, 1], or of a spectrum.
        mix: With ``start: mix``, the share of noise in it, in [0, 1].
        transforms: What happens to the canvas before the network sees it, in each step anew.
        canvas: The variables of the optimisation.
        optimizer: The descent.
        octaves: Sizes and steps.
        style_scale: Size of the style's strokes on the canvas; 1 is the size at which style and
            canvas fit each other.
        style_fit: Fit of style to canvas at scale 1: equal ``area``, or equal ``longest`` side.
        style_size: Longest side at which styles are measured at every octave, in pixels; None
            fits them to the canvas.
        enlarge_style: Whether a style smaller than that is enlarged, or taken as it is; a number
            is how many times it may be enlarged.
        resampling: Filter with which contents and styles are resized.
        color: Whose colours: the ``style``'s; the style's pictures recoloured to
            ``match-content`` before painting (moving colours least, or by another map with the
            same mean and covariance: ``-pca``, ``-cholesky``); painted in greys, under the
            content's chroma (``keep-luminance``); the content's chroma put back at the end
            (``chroma-after``); nothing but the style's ``palette``; or at the end the canvas's own
            around mid-grey, as far apart as the gamut is wide (``full-contrast``).
        precision: Of the feature maps: ``bf16`` where the hardware has it (``auto``), or always
            one of the two. Canvas and statistics are fp32 in any case.
        seed: Of everything random.
        log_every: Steps between two rows of the loss log.
        legibility: How well the subject is to be seen; the content weights are multiplied, for
            each pair anew, by what :mod:`nst_core.legibility` finds for it. None leaves them.
        focus: How much more the content counts where its subject is, as a power of the saliency
            that :mod:`nst_core.focus` finds; 0 for all places alike.
    """

    network: str = "vgg19"
    pooling: Pooling = "max"
    border: Border = "zeros"
    terms: tuple[Term, ...]
    start: Start = "content"
    noise: float = 0.1
    mix: float = 0.5
    transforms: tuple[Transform, ...] = ()
    canvas: Canvas = field(default_factory=Pixels)
    optimizer: Optimizer = field(default_factory=LBFGS)
    octaves: Octaves = field(default_factory=Octaves)
    style_scale: float = 1.0
    style_fit: Literal["area", "longest"] = "area"
    style_size: int | None = None
    enlarge_style: bool | float = True
    resampling: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    color: Color = "style"
    precision: Precision = "auto"
    seed: int = 0
    log_every: int = 10
    legibility: float | None = None
    focus: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be painted.

        Raises:
            RecipeError: An unknown network or layer, no terms, or a number out of its range.
        """
        row = network(self.network)
        row.require_dials(pooling=self.pooling, border=self.border)
        for term in self.terms:
            if term.layer != IMAGE:
                row.require_layer(term.layer)
            _require_channels(term, row)
            _require_positions(term)
        if not any(term.weight for term in self.terms):
            raise RecipeError("terms are empty; a recipe needs at least one with a weight")
        if not self.octaves.steps:
            raise RecipeError("steps are empty; a recipe needs at least one number")
        for part in (
            *(self, *self.terms, *self.transforms),
            *(self.canvas, self.octaves, self.optimizer),
        ):
            _require_ranges(part)
        self._require_what_goes_together()

    def _require_what_goes_together(self) -> None:
        """Raise where two parts, each sound in itself, contradict each other."""
        if self.transforms and any(term.weight and term.reads == "content" for term in self.terms):
            raise RecipeError(
                "transforms move the canvas, and a content term compares it place by place",
                remedy="leave out one of the two",
            )
        if self.canvas.kind == "fourier" and self.optimizer.kind != "adam":
            raise RecipeError(
                f"{self.optimizer.kind} measures its steps in pixels; a fourier canvas has none",
                remedy="take optimizer adam, or canvas pixels",
            )
        if self.canvas.kind == "fourier" and len(self.octaves.sides()) > 1:
            raise RecipeError(
                "a fourier canvas is painted at one size: it holds all scales from the start",
                remedy="leave out octaves.smallest and zooms",
            )

        if self.legibility is not None:
            self._require_a_weight_to_find()
        if self.focus and not any(term.weight and term.reads == "content" for term in self.terms):
            raise RecipeError(
                "focus weighs the places of a content, and the recipe compares none",
                remedy="leave focus out",
            )
        for name, off in (("legibility", "off"), ("focus", 0)):
            if getattr(self, name) and OBJECTS not in network(self.network).layers:
                raise RecipeError(
                    f"{name} is seen at {OBJECTS}, which {self.network} does not have",
                    code="E-RECIPE-LAYER",
                    remedy=f"say {name}: {off}, or take a VGG",
                )

    def _require_a_weight_to_find(self) -> None:
        """Raise unless there is a content to be legible, and a weight to find against a style.

        Raises:
            RecipeError: No content or no style term.
        """
        compared = {term.reads for term in self.terms if term.weight}
        if not {"content", "style"} <= compared:
            raise RecipeError(
                "legibility weighs a content against a style, and the recipe compares no"
                f" {' and no '.join(sorted({'content', 'style'} - compared))}",
                remedy="leave legibility out, or say off",
            )

    @property
    def reads(self) -> frozenset[str]:
        """Which pictures a pair of this recipe must bring: ``content``, ``style``, ``picture``."""
        needed: set[str] = {term.reads for term in self.terms if term.weight}
        needed.discard("nothing")
        if self.color not in {"style", "full-contrast"}:
            needed.add("style" if self.color == "palette" else "content")
        if self.start != "noise":
            needed.add("content" if self.start == "mix" else self.start)
        return frozenset(needed)

    @property
    def against_regions(self) -> str | None:
        """Why its styles cannot paint regions of a content, or None if they can."""
        if "content" not in self.reads:
            return "regions are the content's, and the recipe reads no content picture"
        if self.transforms:
            return "transforms move the canvas from under its regions"
        for term in self.terms:
            if term.weight and term.reads == "style" and not isinstance(term, StyleTerm):
                return f"a {term.kind} term compares single positions and knows no regions"
        if not any(term.weight and isinstance(term, StyleTerm) for term in self.terms):
            return "regions are painted in styles, and the recipe has no style term"
        return None

    def parameters(self) -> dict[str, Any]:
        """Return every parameter as plain lists, dicts, numbers and text, defaults included.

        What a start without a mix never looks at is left out, and what is not asked for.
        """
        plain: dict[str, Any] = json.loads(self._plain)  # its caller's own
        if self.start != "mix":
            del plain["mix"]
        if self.legibility is None:
            del plain["legibility"]
        if not self.focus:
            del plain["focus"]
        return plain

    @cached_property
    def _plain(self) -> str:
        """Every field as JSON; thousands of pairs ask the same recipe."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False)


def _require_channels(term: Term, row: Network) -> None:
    """Raise unless the layer has every channel that a term asks for by its number."""
    asked = getattr(term, "channels", ()) or (getattr(term, "unit", 0),)
    if term.layer != IMAGE and max(asked) >= (there := row.channels(term.layer)):
        raise RecipeError(
            f"{row.name} {term.layer} has no unit {max(asked)}; they count from 0 to {there - 1}",
            code="E-RECIPE-RANGE",
        )


def _require_positions(term: Term) -> None:
    """Raise where a term compares positions, and its layer has none."""
    if term.layer == LOGITS and term.kind not in {"unit", "content", "activation"}:
        raise RecipeError(
            f"a {term.kind} term compares positions; logits are scores of the whole picture",
            code="E-RECIPE-LAYER",
            remedy="take a layer of feature maps",
        )


def _require_ranges(part: Recipe | Term | Transform | Canvas | Octaves | Optimizer) -> None:
    for name, (low, high) in _RANGES.items():
        given = getattr(part, name, None)
        for value in given if isinstance(given, tuple) else (given,):
            if value is not None and not low <= value <= high:
                raise RecipeError(
                    f"{name} is {value}; it must lie between {low:g} and {high:g}",
                    code="E-RECIPE-RANGE",
                )
