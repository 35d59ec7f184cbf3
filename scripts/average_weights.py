"""Average the weights of several trained files (Wortsman et al. 2022, model soups).

Usage: python scripts/average_weights.py OUT.safetensors IN.safetensors...
"""

import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file


def main() -> None:
    """Average, in float32, and store as the first file does."""
    out, *inputs = sys.argv[1:]
    if not inputs:
        raise SystemExit(__doc__)
    states = [load_file(path) for path in inputs]
    with safe_open(inputs[0], "pt") as first:
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
