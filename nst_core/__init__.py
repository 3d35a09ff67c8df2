"""How to paint: one loop that changes a canvas until a weighted sum of terms is small.

The walk of one picture: a :class:`Recipe` (what to minimise and how) and :class:`Pictures`
(what to compare with) go into :func:`synthesize`, which returns a :class:`Synthesis`.

Importing this package does not import torch; the modules that hold tensors do.
"""
