"""What each way of colouring does: to the styles, to the content, and to the picture at the end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nst_core.colors import (
    EVERYWHERE,
    full_contrast,
    keep_chroma,
    luminance,
    match_color,
    match_luminance,
)
from nst_core.palettes import palette, restrict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nst_core.colors import Places, Transport
    from nst_core.recipe import Color

_TRANSPORTS: dict[Color, Transport] = {
    "match-content": "symmetric",
    "match-content-pca": "pca",
    "match-content-cholesky": "cholesky",
}
RECOLORED: frozenset[Color] = frozenset({*_TRANSPORTS, "keep-luminance"})
"""Ways in which a style's pictures depend on the content."""


def recolored(
    color: Color, style: Tensor, content: Tensor, *, places: Places = EVERYWHERE
) -> Tensor:
    """Return a style's picture with the colours in which it is to be compared, (1, 3, H, W).

    Args:
        color: The recipe's way of colouring.
        style: (1, 3, H, W), RGB in [0, 1].
        content: (1, 3, H', W').
        places: Which of the style's count, and which of the content's.
    """
    if color == "keep-luminance":
        return match_luminance(style, content, places)
    if color in _TRANSPORTS:
        return match_color(style, content, _TRANSPORTS[color], places)
    return style


@dataclass(frozen=True, eq=False)
class Coloring:
    """A recipe's way of colouring, at one octave.

    Args:
        color: Which way.
        original: The content in its own colours, (1, 3, H, W), or None.
        styles: Each (1, 3, H', W'), at any size.
    """

    color: Color
    original: Tensor | None
    styles: Sequence[Tensor]

    @cached_property
    def content(self) -> Tensor | None:
        """The content as it is compared with and started from."""
        if self.color == "keep-luminance" and self.original is not None:
            return luminance(self.original)
        return self.original

    def finish(self, picture: Tensor) -> Tensor:
        """Return a painted picture, (1, 3, H, W) in [0, 1], in the colours that were asked for."""
        if self.color in {"keep-luminance", "chroma-after"} and self.original is not None:
            return keep_chroma(picture, self.original)
        if self.color == "full-contrast":
            return full_contrast(picture)
        return restrict(picture, self._palette) if self.color == "palette" else picture

    @cached_property
    def _palette(self) -> Tensor:
        return palette(self.styles)
