"""Inverse metrics: the first guess of an inverse Hessian, to which L-BFGS adds what its pairs know.

L-BFGS corrects its guess in as many directions as it keeps pairs, of hundreds of thousands. What
the guess says of all others decides how fast it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch.nn import functional

from nst_core.octaves import size_of
from nst_core.views import frequencies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nst_core.octaves import Size
    from nst_core.views import View

# Light, and two differences of colours; orthonormal rows.
_COLORS = tuple(
    tuple(value / math.hypot(*row) for value in row) for row in ((1, 1, 1), (1, 0, -1), (1, -2, 1))
)
# Bands per octave of frequency, from the highest that pixels can hold.
_BANDS = 2
_HIGHEST = math.sqrt(0.5)
# Side of the cells in which places are told apart, in pixels.
_CELL = 16
# Share of the past that an observation leaves.
_DECAY = 0.9
# How far the guess may depart from the prior, either way: frequencies and colours, places.
_FURTHEST, _FURTHEST_PLACE = math.log(8), math.log(4)
# Share of all energy below which a band or a cell holds nothing else, in fp32.
_ROUNDING = 1e-12


class Metric(Protocol):
    """A symmetric positive map from gradients to directions, up to a factor."""

    def __call__(self, values: Tensor) -> Tensor:
        """Return the direction of a gradient, both (B, 3, H, W)."""

    def squared(self, values: Tensor) -> Tensor:
        """Return ⟨values, M values⟩, a scalar: cheaper than through their direction M values."""

    def observe(self, moved: Tensor, change: Tensor, counts: Tensor) -> None:
        """Learn from a move and the change of gradient that it brought, where it counts."""

    def state(self) -> dict[str, Tensor]:
        """Return what was learnt."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state at the same size."""

    def warm(self, before: Self) -> None:
        """Begin with what was learnt at another size."""


class UniformMetric:
    """The canvas's own: its filter there and back.

    Args:
        view: Of the canvas.
    """

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, values: Tensor) -> Tensor:
        """Return the values, seen through the filter twice."""
        return self._view.filtered(self._view.filtered(values))

    def squared(self, values: Tensor) -> Tensor:
        """Return the square of the values, seen through the filter: it is its own transpose."""
        return self._view.filtered(values).square().sum()

    def observe(self, moved: Tensor, change: Tensor, counts: Tensor) -> None:
        """Learn nothing."""

    def state(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on."""

    def warm(self, before: Self) -> None:
        """Begin as ever."""


class MeasuredMetric:
    """What the moves so far tell of the curvature of each frequency, colour and place.

    Where small moves changed the gradient much, the objective is curved, and the next move there
    has to be short. In a basis of frequencies and colours the guess is diagonal, with entries
    √(Σs² / Σy²) of moves s and changes y: it sends the changes to moves of the observed spectrum.
    The sums fade, and run over bands of half an octave; the same quotient over cells of the
    picture then weighs places, half before and half after, so that the map stays symmetric.

    Args:
        size: (height, width) of the canvas.
        like: Sets device and dtype.
        exponent: α of the prior |f|^-2α, from which the guess begins and departs by no more than
            a factor of 8 either way.

    Source: √(Σs² / Σy²) is the diagonal preconditioner of Li 2018 ("Preconditioned Stochastic
    Gradient Descent"). A diagonal as the first guess of L-BFGS: Gilbert & Lemaréchal 1989 (M1QN3),
    whose is updated by BFGS. The basis is ours: a texture's statistics do not depend on place, so
    that their Hessian is nearly diagonal in it.
    """

    def __init__(self, size: Size, like: Tensor, exponent: float) -> None:
        frequency = frequencies(size, like)
        self._size = size
        self._prior = (frequency.min() / frequency) ** (2 * exponent)
        self._band = (_BANDS * torch.log2(_HIGHEST / frequency)).clamp_min(0)
        # The lowest frequency is a wave as long as the longer side; a single pixel has none.
        bands = math.ceil(_BANDS * math.log2(_HIGHEST * max(*size, 2))) + 2
        self._log_prior = 2 * exponent * math.log(2) / _BANDS * torch.arange(bands).to(like)
        self._colors = like.new_tensor(_COLORS)
        cells = [math.ceil(side / _CELL) for side in size]
        # Of moves and of changes: by colour and band, and by cell.
        self._spectra = like.new_zeros(2, 3, bands)
        self._places = like.new_zeros(2, 1, *cells)
        self._gains: list[Tensor] = []

    def __call__(self, values: Tensor) -> Tensor:
        """Return the direction of a gradient, both (B, 3, H, W)."""
        place = self._place()
        found = torch.zeros_like(values)
        # Plane by plane: faster than all at once, with no more memory.
        for color, gain in zip(self._colors, self._gained(), strict=True):
            spectrum = torch.fft.rfft2(_seen_as(color, values).mul_(place)).mul_(gain)
            plane = torch.fft.irfft2(spectrum, s=self._size)
            found.addcmul_(color[:, None, None], plane[:, None])
        # Until the next step the network needs the room.
        self._gains = []
        return found.mul_(place)

    def squared(self, values: Tensor) -> Tensor:
        """Return ⟨values, M values⟩, a scalar: by Parseval's theorem, with no transform back."""
        place = self._place()
        height, width = self._size
        total = values.new_zeros(())
        for color, gain in zip(self._colors, self._gained(), strict=True):
            power = _power(_seen_as(color, values).mul_(place)).mul_(gain)
            # Half a spectrum stands for the whole, but for columns that are their own twins.
            alone = power[:, 0].sum() + (power[:, -1].sum() if width % 2 == 0 else 0)
            total += 2 * power.sum() - alone
        return total / (height * width)

    def observe(self, moved: Tensor, change: Tensor, counts: Tensor) -> None:
        """Learn from a move and the change of gradient that it brought, (B, 3, H, W) each.

        Args:
            moved: The move.
            change: Gradient after it less gradient before it.
            counts: A boolean scalar: whether there is anything to learn from.
        """
        spectra = torch.stack([self._spectrum(moved), self._spectrum(change)])
        places = torch.stack([self._energy(moved), self._energy(change)])
        # Moves grow shorter by and by, and an objective has no unit: each is to count alike.
        spectra = spectra / spectra.sum((1, 2), keepdim=True)
        places = places / places.sum((2, 3), keepdim=True)
        self._spectra = torch.where(counts, self._faded(self._spectra, spectra), self._spectra)
        self._places = torch.where(counts, self._faded(self._places, places), self._places)
        self._gains = []

    def state(self) -> dict[str, Tensor]:
        """Return the fading sums."""
        return {"spectra": self._spectra, "places": self._places}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state at the same size."""
        self._spectra, self._places = state["spectra"], state["places"]
        self._gains = []

    def warm(self, before: Self) -> None:
        """Begin with what was learnt at another size, of frequencies in cycles per pixel."""
        bands = self._spectra.shape[-1]
        known = before._spectra[..., :bands]
        # Of waves that the other size could not hold nothing is known.
        self._spectra = functional.pad(known, (0, bands - known.shape[-1]))
        self._places = functional.interpolate(
            before._places, self._places.shape[-2:], mode="bilinear"
        )
        self._gains = []

    def _faded(self, before: Tensor, now: Tensor) -> Tensor:
        return torch.lerp(now, before, _DECAY)

    def _spectrum(self, values: Tensor) -> Tensor:
        """Return the energy by colour and band, (3, bands)."""
        found = torch.zeros_like(self._spectra[0])
        band = self._band.flatten()
        below = band.long()
        above = band - below
        for color, bands in zip(self._colors, found, strict=True):
            energy = _power(_seen_as(color, values)).flatten()
            bands.index_add_(0, below, energy * (1 - above))
            bands.index_add_(0, below + 1, energy * above)
        return found

    def _energy(self, values: Tensor) -> Tensor:
        """Return the mean energy by cell, (1, cells down, cells across)."""
        energy = values.square().mean((0, 1))[None]
        return functional.adaptive_avg_pool2d(energy, size_of(self._places))

    def _gained(self) -> list[Tensor]:
        """Return the guess by colour at every frequency, (H, W // 2 + 1) each."""
        if not self._gains:
            every = self._departures()
            self._gains = [self._spread(bands).exp_().mul_(self._prior) for bands in every]
        return self._gains

    def _departures(self) -> Tensor:
        """Return the logarithm of the guess over the prior, by colour and band, (3, bands)."""
        ends = functional.pad(_departure(self._spectra, self._log_prior), (1, 1), mode="replicate")
        smooth = (ends[:, :-2] + 2 * ends[:, 1:-1] + ends[:, 2:]) / 4
        return smooth.clamp(-_FURTHEST, _FURTHEST)

    def _spread(self, bands: Tensor) -> Tensor:
        """Return values of bands at every frequency, (H, W // 2 + 1), between bands linearly."""
        band = self._band.flatten()
        below = band.long()
        # Eight times as fast as by indexing.
        ends = bands.index_select(0, below), bands.index_select(0, below + 1)
        return torch.lerp(*ends, band - below).view_as(self._band)

    def _place(self) -> Tensor:
        """Return the root of the guess over its mean, by place, (H, W)."""
        departure = _departure(self._places).clamp(-_FURTHEST_PLACE, _FURTHEST_PLACE)
        root = (departure / 2).exp()[None]
        return functional.interpolate(root, self._size, mode="bilinear")[0, 0]


def _seen_as(color: Tensor, values: Tensor) -> Tensor:
    """Return the plane of one colour, (B, H, W)."""
    plane = color[0] * values[:, 0]
    # As a product of matrices it would copy the canvas.
    for share, channel in zip(color[1:], values.unbind(1)[1:], strict=True):
        plane.addcmul_(channel, share)
    return plane


def _power(plane: Tensor) -> Tensor:
    """Return the squared coefficients of (B, H, W) planes, summed, (H, W // 2 + 1)."""
    spectrum = torch.fft.rfft2(plane)
    power: Tensor = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
    return power.sum(0)


def _departure(energies: Tensor, prior: Tensor | float = 0.0) -> Tensor:
    """Return log √(moved / changed) less the prior and less the mean; 0 where nothing is known."""
    moved, changed = energies
    # Held pixels do not move, beyond a painted region no gradient changes, and grey has no colour.
    known = (moved > _ROUNDING) & (changed > _ROUNDING)
    departure = torch.where(known, (moved / changed).log() / 2 - prior, 0)
    return torch.where(known, departure - departure.sum() / known.sum().clamp_min(1), 0)
