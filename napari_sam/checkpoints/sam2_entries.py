"""The registry's entries of SAM 2.1, as Meta publishes it.

Meta states no hashes; the SHA-256 sums agree across many independent copies and with
those of Meta's own files on huggingface.co.
"""

from __future__ import annotations

from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec

__all__ = ["SAM2_MODELS"]

_META = "https://dl.fbaipublicfiles.com/segment_anything_2/092824"
_HUB = "https://huggingface.co/facebook"
_CITATION = (
    "Ravi et al., SAM 2: Segment Anything in Images and Videos, ICLR 2025, "
    "arXiv:2408.00714"
)

# size, title, sha256, bytes, what it is good for
_FILES = (
    (
        "tiny",
        "tiny",
        "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        156_008_466,
        "Films and volumes of clear objects by its memory; the fastest of SAM 2.1.",
    ),
    (
        "small",
        "small",
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        184_416_285,
        "Films and volumes of clear objects by its memory; a little better than tiny.",
    ),
    (
        "base_plus",
        "base plus",
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        323_606_802,
        "Films and volumes of clear objects by its memory; wants a GPU.",
    ),
    (
        "large",
        "large",
        "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        898_083_611,
        "Films and volumes of clear objects by its memory; the best, wants a GPU.",
    ),
)


def _entry(
    size: str, title: str, sha256: str, count: int, good_for: str
) -> CheckpointSpec:
    filename = f"sam2.1_hiera_{size}.pt"
    repository = f"{_HUB}/sam2.1-hiera-{size.replace('_', '-')}"
    return CheckpointSpec(
        name=f"sam2.1_{size}",
        title=f"SAM 2.1 {title}",
        architecture=f"sam2.1_{size}",
        filename=filename,
        good_for=good_for,
        licence="Apache-2.0",
        citation=_CITATION,
        url=f"{_META}/{filename}",
        mirrors=(f"{repository}/resolve/main/{filename}",),
        hash=f"sha256:{sha256}",
        size=count,
        volumes=("follow", "memory", "planes"),
        trainable=False,
        extra="transformers",
    )


SAM2_MODELS = tuple(_entry(*row) for row in _FILES)
"""SAM 2.1 from tiny to large."""
