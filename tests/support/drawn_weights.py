"""Weights that are the same wherever they are drawn, for networks of equal names."""

import zlib

import numpy as np
import torch


def drawn_weights(shapes):
    """Draw a state dict by (name, shape): each tensor from the sum of its name.

    Nothing stays 0 or 1: that would prove nothing.
    """
    return {name: _drawn(name, tuple(shape)) for name, shape in shapes.items()}


def _drawn(name, shape):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noise = rng.standard_normal(shape)
    if name.endswith("running_var"):
        values = 1 + 0.5 * np.tanh(noise)
    elif len(shape) > 1:
        values = noise * 1.4 / np.sqrt(np.prod(shape[1:]))
    elif name.endswith("weight"):
        values = 1 + 0.2 * noise
    else:
        values = 0.1 * noise
    return torch.from_numpy(values.astype(np.float32))


def drawn_image(name, shape):
    """Draw (..., ) values of mean 0 and deviation 1, the same for the same name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
