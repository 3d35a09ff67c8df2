"""What happens to the canvas before the network sees it, anew in every step.

A picture that excites a network only where it lies to the pixel is noise; one that still does so
shifted, scaled and turned has forms. Each transform is a value; ``drawn`` gives the one of a step.
All randomness comes from the generator, so that a step can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor

    Seen = Callable[[Tensor], Tensor]
    """Canvas (B, 3, H, W) → what the network sees of it; differentiable."""


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """A random shift along both axes; what leaves on one side comes in on the other.

    Args:
        pixels: Furthest shift, >= 0.

    Source: Google's deepdream notebook, 2015.
    """

    kind: Literal["jitter"] = "jitter"
    pixels: int = 32

    def drawn(self, generator: torch.Generator) -> Seen:
        """Return the shift of one step."""
        import torch

        down, across = torch.randint(
            -self.pixels, self.pixels + 1, (2,), generator=generator
        ).tolist()
        return lambda canvas: canvas.roll((down, across), (-2, -1))


@dataclass(frozen=True, kw_only=True)
class Pad:
    """A frame of mid-grey.

    Args:
        pixels: Its width, >= 0.
    """

    kind: Literal["pad"] = "pad"
    pixels: int = 12

    def drawn(self, generator: torch.Generator) -> Seen:
        """Return the framing."""
        from torch.nn import functional

        del generator
        return lambda canvas: functional.pad(canvas, (self.pixels,) * 4, value=0.5)


@dataclass(frozen=True, kw_only=True)
class RandomScale:
    """A random size.

    Args:
        least: Smallest factor, > 0.
        most: Largest factor.
    """

    kind: Literal["random_scale"] = "random_scale"
    least: float = 0.9
    most: float = 1.1

    def drawn(self, generator: torch.Generator) -> Seen:
        """Return the scaling of one step."""
        factor = _between(self.least, self.most, generator)

        def scaled(canvas: Tensor) -> Tensor:
            from torch.nn import functional

            size = [max(1, round(side * factor)) for side in canvas.shape[-2:]]
            return functional.interpolate(canvas, size, mode="bilinear", align_corners=False)

        return scaled


@dataclass(frozen=True, kw_only=True)
class RandomRotate:
    """A random turn around the centre; corners that come in are mid-grey.

    Args:
        degrees: Furthest turn in either direction, 0 to 180.
    """

    kind: Literal["random_rotate"] = "random_rotate"
    degrees: float = 10.0

    def drawn(self, generator: torch.Generator) -> Seen:
        """Return the turn of one step."""
        from torchvision.transforms.functional import InterpolationMode, rotate

        angle = _between(-self.degrees, self.degrees, generator)

        def turned(canvas: Tensor) -> Tensor:
            # Around grey, so that corners come in grey and not black.
            turned_by: Tensor = rotate(canvas - 0.5, angle, InterpolationMode.BILINEAR)
            return turned_by + 0.5

        return turned


@dataclass(frozen=True, kw_only=True)
class Resize:
    """A fixed size, the one that a classifier was trained at.

    Args:
        side: Longest side that the network sees, in pixels.
    """

    kind: Literal["resize"] = "resize"
    side: int = 224

    def drawn(self, generator: torch.Generator) -> Seen:
        """Return the resizing."""
        del generator

        def resized(canvas: Tensor) -> Tensor:
            from torch.nn import functional

            factor = self.side / max(canvas.shape[-2:])
            size = [max(1, round(side * factor)) for side in canvas.shape[-2:]]
            return functional.interpolate(
                canvas, size, mode="bilinear", align_corners=False, antialias=factor < 1
            )

        return resized


Transform = Jitter | Pad | RandomScale | RandomRotate | Resize


def seen_in(transforms: Sequence[Transform], *, seed: int, octave: int, step: int) -> Seen:
    """Return what the network sees of the canvas in one step: all transforms in their order.

    Args:
        transforms: A recipe's.
        seed: The recipe's.
        octave: Index of the octave.
        step: Of the octave. The three together fix everything random, so that a picture that was
            interrupted sees what it would have seen.
    """
    import torch

    if not transforms:
        return lambda canvas: canvas
    generator = torch.Generator()
    # Neighbouring seeds give a generator unlike streams only after the numbers are well mixed.
    generator.manual_seed((seed * 1_000_003 + octave) * 1_000_003 + step & (1 << 63) - 1)
    drawn = [transform.drawn(generator) for transform in transforms]

    def seen(canvas: Tensor) -> Tensor:
        for transform in drawn:
            canvas = transform(canvas)
        return canvas

    return seen


def _between(least: float, most: float, generator: torch.Generator) -> float:
    import torch

    return least + (most - least) * torch.rand((), generator=generator).item()
