"""Rounding, as the rules ask for it at the end of every layer."""

import numpy


def to_fen(yuan):
    """Half a fen goes up. As exact as the floats that it is given."""
    return numpy.floor(yuan * 100 + 0.5) / 100
