"""How to paint: one loop that changes a canvas until a weighted sum of terms is small.

The walk of one picture: a :class:`nst_core.recipe.Recipe` (what to minimise and how) and
:class:`nst_core.pictures.Pictures` (what to compare with) go into
:func:`nst_core.synthesis.synthesize`, which returns a :class:`nst_core.synthesis.Synthesis`.

Importing this package does not import torch; the modules that hold tensors do.
"""
