"""Average the weights of several trained files (Wortsman et al. 2022, model soups).

Usage: python scripts/average_weights.py OUT.safetensors IN.safetensors...

IN may be a run's checkpoint, IN.safetensors.checkpoint: of it the running average is
taken, which is what a run that was ended early would have been judged by.
"""

import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def read_weights(path: str) -> dict[str, torch.Tensor]:
    """Read the weights of a file, or the running average of a checkpoint."""
    if not path.endswith(".checkpoint"):
        return load_file(path)
    weights = load_file(path.removesuffix(".checkpoint"))
    average = torch.load(path, map_location="cpu", weights_only=True)["average"]
    return weights | {n: t.to(weights[n].dtype) for n, t in average.items()}


def main() -> None:
    """Average, in float32, and store as the first file does."""
    out, *inputs = sys.argv[1:]
    if not inputs:
        raise SystemExit(__doc__)
    states = [read_weights(path) for path in inputs]
    with safe_open(inputs[0].removesuffix(".checkpoint"), "pt") as first:
        architecture = first.metadata()["architecture"]
    mean = {
        name: (sum(s[name].float() for s in states) / len(states)).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in states[0].items()
    }
    names = ", ".join(Path(path).stem for path in inputs)
    save_file(mean, out, {"architecture": architecture, "averaged": names})


if __name__ == "__main__":
    main()
