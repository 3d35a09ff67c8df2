"""Templates of the gallery page."""
