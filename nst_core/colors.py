"""Whose colours a painting has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from nst_core.statistics import symmetric_root

if TYPE_CHECKING:
    from torch import Tensor

# ITU-R BT.601, as in Gatys et al. 2017 and neural-style's -original_colors.
_LUMA = (0.299, 0.587, 0.114)


Transport = Literal["symmetric", "pca", "cholesky"]
Places = tuple["Tensor | None", "Tensor | None"]
"""How much each place of a picture and of its model counts, (1, 1, H, W) each; None: all alike."""
EVERYWHERE: Places = (None, None)


def match_color(
    picture: Tensor, model: Tensor, how: Transport = "symmetric", places: Places = EVERYWHERE
) -> Tensor:
    """Return the picture with the mean and covariance of another picture's colours.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1].
        model: (1, 3, H', W'), the picture whose colours are wanted.
        how: Which of the linear maps A with A Σ Aᵀ = Σ*: ``symmetric`` moves colours least (the
            transport map between Gaussians), ``pca`` is Σ*^½ Σ^-½, ``cholesky`` L* L⁻¹.
        places: Those whose colours have that mean and covariance, of either picture.

    Returns:
        (1, 3, H, W), clamped to [0, 1].

    Source: Gatys et al. 2017, section 5.2, and its authors' code.
    """
    mean, spread = _color_moments(picture, places[0])
    model_mean, model_spread = _color_moments(model, places[1])
    if how == "cholesky":
        inverse = torch.linalg.inv(torch.linalg.cholesky(spread))
        transport = torch.linalg.cholesky(model_spread) @ inverse
    else:
        root = symmetric_root(spread)
        inverse = torch.linalg.inv(root)
        transport = (
            symmetric_root(model_spread) @ inverse
            if how == "pca"
            else inverse @ symmetric_root(root @ model_spread @ root) @ inverse
        )
    flat = picture.flatten(2)[0].cpu().double() - mean[:, None]
    moved: Tensor = (transport @ flat + model_mean[:, None]).clamp(0, 1)
    return moved.to(picture).view_as(picture)


def luma(pixels: Tensor) -> Tensor:
    """Return how light every pixel of (B, 3, H, W) is, (B, 1, H, W); linear, so of changes too."""
    return (pixels * pixels.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def luminance(picture: Tensor) -> Tensor:
    """Return the picture in greys, (B, 3, H, W)."""
    return luma(picture).expand_as(picture).contiguous()


def match_luminance(picture: Tensor, model: Tensor, places: Places = EVERYWHERE) -> Tensor:
    """Return the picture in greys with the mean and spread of another picture's luminance.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1].
        model: (1, 3, H', W').
        places: Those whose luminance has that mean and spread, of either picture.

    Returns:
        (1, 3, H, W), clamped to [0, 1]; a picture of one grey takes the model's mean.

    Source: Gatys et al. 2017, section 5.1, eq. 10.
    """
    grey, wanted = luminance(picture), luminance(model)
    (mean, spread), (model_mean, model_spread) = map(_light, (grey, wanted), places)
    stretched = (grey - mean) * (model_spread / spread.clamp_min(1e-3))
    return (stretched + model_mean).clamp(0, 1)


def keep_chroma(painting: Tensor, content: Tensor) -> Tensor:
    """Return the painting's luminance with the content's chroma.

    Args:
        painting: (1, 3, H, W), RGB in [0, 1].
        content: The same size.

    Returns:
        (1, 3, H, W), clamped to [0, 1].
    """
    return (content + luma(painting - content)).clamp(0, 1)


def full_contrast(picture: Tensor) -> Tensor:
    """Return the picture with its distances from mid-grey enlarged until they fill the gamut.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1].

    Returns:
        (1, 3, H, W), clamped to [0, 1]: one value in a thousand is cut off there.

    Source: how the toolbox of Yosinski et al. 2015 saves its pictures (``norm01c``), there up to
    the one largest value.
    """
    apart = picture - 0.5
    size = apart.abs().flatten()
    # A canvas of one grey stays it.
    widest = size.kthvalue(max(1, round(0.999 * len(size)))).values.clamp_min(1e-4)
    return (0.5 + apart * (0.5 / widest)).clamp(0, 1)


def _light(grey: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of a grey picture's values."""
    if places is None:
        return grey.mean(), grey.std()
    weights = (places / places.sum()).expand_as(grey) / grey.shape[1]
    mean = (weights * grey).sum()
    return mean, (weights * (grey - mean).square()).sum().sqrt()


def _color_moments(picture: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean (3,) and covariance (3, 3) in float64; a grey picture gets a small spread.

    On the CPU: not every device has float64.
    """
    flat = picture.flatten(2)[0].cpu().double()
    little = 1e-5 * torch.eye(3, dtype=torch.float64)
    if places is not None:
        weights = (places / places.sum()).flatten().cpu().double()
        mean = flat @ weights
        centred = flat - mean[:, None]
        return mean, (centred * weights) @ centred.T + little
    mean = flat.mean(1)
    centred = flat - mean[:, None]
    return mean, centred @ centred.T / flat.shape[1] + little
