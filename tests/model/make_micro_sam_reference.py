"""Make tests/data/micro_sam_reference.npz with micro-sam's and torch_em's own code.

Not a test: it ran once, with micro-sam 1.8.14 and torch_em 0.10.9::

    python tests/model/make_micro_sam_reference.py

in an environment that has both, and this repository on PYTHONPATH. Of what they import,
torchvision and matplotlib may be empty stand-ins: the networks use none of it.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from drawn_weights import drawn_weights
from micro_sam.instance_segmentation import DecoderAdapter
from test_unetr_decoder import CASES, features_of
from torch import nn
from torch_em.model import UNETR


class _Encoder(nn.Module):
    """What UNETR asks of SAM's image encoder: how wide the embedding is."""

    img_size = 1024

    def __init__(self, width):
        super().__init__()
        self.neck = nn.ModuleList([nn.Identity(), nn.Identity(), nn.Module()])
        self.neck[2].out_channels = width
        self.patch_embed = SimpleNamespace(proj=SimpleNamespace(in_channels=3))


@torch.no_grad()
def main():
    found = {}
    for name, case in CASES.items():
        unetr = UNETR(
            backbone="sam",
            encoder=_Encoder(case.width),
            out_channels=3,
            use_sam_stats=True,
            final_activation="Sigmoid",
            use_skip_connection=False,
            resize_input=True,
            use_conv_transpose=case.is_transposed,
            initial_features=case.channels[-1],
        )
        shapes = {key: value.shape for key, value in unetr.state_dict().items()}
        unetr.load_state_dict(drawn_weights(shapes), strict=True)
        # As micro-sam does, the decoder is not switched to evaluation.
        maps = DecoderAdapter(unetr)._forward_impl(features_of(case))
        found[name] = maps[0].numpy()[:, :: case.step, :: case.step]
    target = Path(__file__).parents[1] / "data" / "micro_sam_reference.npz"
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main()
