"""The checkpoints known by name: where they come from and how to verify them.

The table is data. Nothing here opens a file or the network; `store` fetches what
is listed and `load` builds a model from it.

Hashes are the published ones. Meta gives no more than six digits of an MD5 in the
file names; the full SHA-256 sums below agree across many independent copies. The
micro-sam project publishes XXH128 sums, which detect damage but, unlike SHA-256,
do not protect against a file that was forged on purpose: for these files the trust
rests on https from their publisher, and addresses of all files are https.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_sam.checkpoints.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DECODERS",
    "REGISTRY",
    "CheckpointSpec",
    "format_size",
    "get_spec",
    "suggest_names",
]


def format_size(size: int) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> format_size(375_042_383)
    '375 MB'
    >>> format_size(2_564_550_879)
    '2.6 GB'
    """
    if size >= 10**9:
        return f"{size / 1e9:.1f} GB"
    if size >= 10**6:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e3:.0f} kB"


@dataclass(frozen=True)
class CheckpointSpec:
    """One checkpoint that can be had by name.

    Attributes
    ----------
    name
        What the user writes.
    title
        What the user reads.
    architecture
        Key of `napari_sam.model.build.ARCHITECTURES`; ``"unetr"`` for the
        instance decoders.
    filename
        Name of the file in the cache, or in the package when bundled.
    good_for
        One sentence on what it segments well.
    licence, citation
        Of the weights.
    url, mirrors
        Where the file is published, and other copies of the same file. The url is
        None for a bundled file.
    hash
        ``"sha256:<hex>"`` or ``"xxh128:<hex>"``; None for a bundled file, which
        the package's own installation has verified.
    size
        Bytes; None for a bundled file.
    size_is_exact
        False where the size was worked out from the number of weights.
    decoder
        Name in `DECODERS` of the instance decoder trained with it, or None.
    bundled
        Whether the file lies inside the package.
    """

    name: str
    title: str
    architecture: str
    filename: str
    good_for: str
    licence: str
    citation: str
    url: str | None = None
    mirrors: tuple[str, ...] = ()
    hash: str | None = None
    size: int | None = None
    size_is_exact: bool = True
    decoder: str | None = None
    bundled: bool = False

    @property
    def exact_size(self) -> int | None:
        """Bytes of the file where they are known for certain."""
        return self.size if self.size_is_exact else None

    @property
    def size_text(self) -> str:
        """The size for people; empty where the registry does not hold it."""
        if self.size is None:
            return ""
        return ("" if self.size_is_exact else "about ") + format_size(self.size)


_SAM = "Kirillov et al., Segment Anything, ICCV 2023, arXiv:2304.02643"
_MOBILE_SAM = (
    "Zhang et al., Faster Segment Anything: Towards Lightweight SAM for Mobile "
    "Applications, 2023, arXiv:2306.14289"
)
_MICRO_SAM = (
    "Archit et al., Segment Anything for Microscopy, Nature Methods 22, 2025, "
    "doi:10.1038/s41592-024-02580-4"
)
_PATHO_SAM = "Griebel et al., Segment Anything for Histopathology, arXiv:2502.00408"
_MEDICO_SAM = (
    "Archit et al., MedicoSAM: Towards foundation models for medical image "
    "segmentation, arXiv:2501.11734"
)
_LITE_MEDSAM = (
    "Ma et al., Segment anything in medical images, Nature Communications 15, 2024, "
    "doi:10.1038/s41467-024-44824-z"
)

_META = "https://dl.fbaipublicfiles.com/segment_anything"
_BIOIMAGE_IO = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io"
_OWNCLOUD = "https://owncloud.gwdg.de/index.php/s"
_HUB = "https://huggingface.co"

_CC_BY = "CC-BY-4.0"
_UNSTATED = "not stated with the file (published by the MIT-licensed micro-sam)"

# Bytes of float32 weights: these files' publishers state no size.
_MODEL_BYTES = {
    "vit_t": 40_700_000,
    "vit_b": 375_000_000,
    "vit_l": 1_249_500_000,
    "vit_h": 2_564_500_000,
}
_DECODER_BYTES = 40_000_000
_SIZE_TITLES = {"vit_t": "ViT-T", "vit_b": "ViT-B", "vit_l": "ViT-L", "vit_h": "ViT-H"}

_OFFICIAL = (
    CheckpointSpec(
        name="vit_b",
        title="SAM ViT-B",
        architecture="vit_b",
        filename="sam_vit_b_01ec64.pth",
        good_for="Natural images; clear objects of any kind; the lightest of SAM.",
        licence="Apache-2.0",
        citation=_SAM,
        url=f"{_META}/sam_vit_b_01ec64.pth",
        mirrors=(
            f"{_HUB}/ybelkada/segment-anything/resolve/main/checkpoints/"
            "sam_vit_b_01ec64.pth",
        ),
        hash="sha256:ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        size=375_042_383,
    ),
    CheckpointSpec(
        name="vit_l",
        title="SAM ViT-L",
        architecture="vit_l",
        filename="sam_vit_l_0b3195.pth",
        good_for="Natural images; close to ViT-H at half its cost.",
        licence="Apache-2.0",
        citation=_SAM,
        url=f"{_META}/sam_vit_l_0b3195.pth",
        mirrors=(f"{_HUB}/mashb1t/misc/resolve/main/sam_vit_l_0b3195.pth",),
        hash="sha256:3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        size=1_249_524_607,
    ),
    CheckpointSpec(
        name="vit_h",
        title="SAM ViT-H",
        architecture="vit_h",
        filename="sam_vit_h_4b8939.pth",
        good_for="Natural images; the best and slowest of SAM; wants a GPU.",
        licence="Apache-2.0",
        citation=_SAM,
        url=f"{_META}/sam_vit_h_4b8939.pth",
        mirrors=(f"{_HUB}/mashb1t/misc/resolve/main/sam_vit_h_4b8939.pth",),
        hash="sha256:a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        size=2_564_550_879,
    ),
    CheckpointSpec(
        name="vit_t",
        title="MobileSAM (ViT-T)",
        architecture="vit_t",
        filename="mobile_sam.pt",
        good_for="Natural images on a CPU: SAM's decoder on a small encoder.",
        licence="Apache-2.0",
        citation=_MOBILE_SAM,
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        mirrors=(f"{_HUB}/dhkim2810/MobileSAM/resolve/main/mobile_sam.pt",),
        hash="sha256:6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        size=40_728_226,
    ),
)

_BUNDLED = CheckpointSpec(
    name="cells",
    title="Cells (bundled)",
    architecture="cells",
    filename="cells.safetensors",
    good_for="Cells and nuclei in light microscopy, on a CPU, with no download.",
    licence="Apache-2.0",
    citation=f"napari-sam; trained from LiteMedSAM: {_LITE_MEDSAM}",
    bundled=True,
)


@dataclass(frozen=True)
class _Family:
    """What the micro-sam models of one image domain share."""

    suffix: str
    title: str
    good_for: str
    licence: str
    citation: str


_LM = _Family(
    "lm",
    "micro-sam light microscopy",
    "Cells and nuclei in light microscopy: fluorescence, phase contrast, label-free.",
    _CC_BY,
    _MICRO_SAM,
)
_EM = _Family(
    "em_organelles",
    "micro-sam EM organelles",
    "Mitochondria, nuclei and other roundish organelles in electron microscopy.",
    _CC_BY,
    _MICRO_SAM,
)
_HISTOPATHOLOGY = _Family(
    "histopathology",
    "PathoSAM histopathology",
    "Nuclei in stained tissue sections (H&E).",
    _UNSTATED,
    _PATHO_SAM,
)
_MEDICAL = _Family(
    "medical_imaging",
    "MedicoSAM medical imaging",
    "Organs and lesions in CT, MRI, ultrasound, endoscopy and other medical images.",
    _UNSTATED,
    _MEDICO_SAM,
)

# family, architecture, model (url, xxh128), decoder (url, xxh128); version 4 of the
# models of light microscopy and EM, as listed in micro_sam/util.py of micro-sam 1.8.
_MICRO_SAM_FILES = (
    (
        _LM,
        "vit_t",
        f"{_BIOIMAGE_IO}/faithful-chicken/1.1/files/vit_t.pt",
        "72ec5074774761a6e5c05a08942f981e",
        f"{_BIOIMAGE_IO}/faithful-chicken/1.1/files/vit_t_decoder.pt",
        "3e914a5f397b0312cdd36813031f8823",
    ),
    (
        _LM,
        "vit_b",
        f"{_BIOIMAGE_IO}/diplomatic-bug/1.2/files/vit_b.pt",
        "fe9252a29f3f4ea53c15a06de471e186",
        f"{_BIOIMAGE_IO}/diplomatic-bug/1.2/files/vit_b_decoder.pt",
        "708b15ac620e235f90bb38612c4929ba",
    ),
    (
        _LM,
        "vit_l",
        f"{_BIOIMAGE_IO}/idealistic-rat/1.2/files/vit_l.pt",
        "017f20677997d628426dec80a8018f9d",
        f"{_BIOIMAGE_IO}/idealistic-rat/1.2/files/vit_l_decoder.pt",
        "2faeafa03819dfe03e7c46a44aaac64a",
    ),
    (
        _EM,
        "vit_t",
        f"{_BIOIMAGE_IO}/greedy-whale/1/files/vit_t.pt",
        "253474720c497cce605e57c9b1d18fd9",
        f"{_BIOIMAGE_IO}/greedy-whale/1/files/vit_t_decoder.pt",
        "8f897c7bb93174a4d1638827c4dd6f44",
    ),
    (
        _EM,
        "vit_b",
        f"{_BIOIMAGE_IO}/noisy-ox/1.2/files/vit_b.pt",
        "f3bf2ed83d691456bae2c3f9a05fb438",
        f"{_BIOIMAGE_IO}/noisy-ox/1.2/files/vit_b_decoder.pt",
        "bb6398956a6b0132c26b631c14f95ce2",
    ),
    (
        _EM,
        "vit_l",
        f"{_BIOIMAGE_IO}/humorous-crab/1.2/files/vit_l.pt",
        "810b084b6e51acdbf760a993d8619f2d",
        f"{_BIOIMAGE_IO}/humorous-crab/1.2/files/vit_l_decoder.pt",
        "334877640bfdaaabce533e3252a17294",
    ),
    (
        _HISTOPATHOLOGY,
        "vit_b",
        f"{_OWNCLOUD}/sBB4H8CTmIoBZsQ/download",
        "ffd1a2cd84570458b257bd95fdd8f974",
        f"{_OWNCLOUD}/KO9AWqynI7SFOBj/download",
        "6a66194dcb6e36199cbee2214ecf7213",
    ),
    (
        _HISTOPATHOLOGY,
        "vit_l",
        f"{_OWNCLOUD}/IZgnn1cpBq2PHod/download",
        "b591833c89754271023e901281dee3f2",
        f"{_OWNCLOUD}/oIs6VSmkOp7XrKF/download",
        "46aab7765d4400e039772d5a50b55c04",
    ),
    (
        _HISTOPATHOLOGY,
        "vit_h",
        f"{_OWNCLOUD}/L7AcvVz7DoWJ2RZ/download",
        "bd1856dafc156a43fb3aa705f1a6e92e",
        f"{_OWNCLOUD}/1qAKxy5H0jgwZvM/download",
        "3ed9f87e46ad5e16935bd8d722c8dc47",
    ),
    (
        _MEDICAL,
        "vit_b",
        f"{_OWNCLOUD}/f5Ol4FrjPQWfjUF/download",
        "40169f1e3c03a4b67bff58249c176d92",
        f"{_OWNCLOUD}/ahd3ZhZl2e0RIwz/download",
        "9e498b12f526f119b96c88be76e3b2ed",
    ),
)


def _micro_sam_pair(
    family: _Family,
    architecture: str,
    url: str,
    xxh128: str,
    decoder_url: str,
    decoder_xxh128: str,
) -> tuple[CheckpointSpec, CheckpointSpec]:
    """Make the entries of one micro-sam model and of its instance decoder."""
    name = f"{architecture}_{family.suffix}"
    title = f"{family.title} {_SIZE_TITLES[architecture]}"
    model = CheckpointSpec(
        name=name,
        title=title,
        architecture=architecture,
        filename=f"{name}.pt",
        good_for=family.good_for,
        licence=family.licence,
        citation=family.citation,
        url=url,
        hash=f"xxh128:{xxh128}",
        size=_MODEL_BYTES[architecture],
        size_is_exact=False,
        decoder=f"{name}_decoder",
    )
    decoder = CheckpointSpec(
        name=f"{name}_decoder",
        title=f"{title}, instance decoder",
        architecture="unetr",
        filename=f"{name}_decoder.pt",
        good_for=f"Automatic instance segmentation with {name}.",
        licence=family.licence,
        citation=family.citation,
        url=decoder_url,
        hash=f"xxh128:{decoder_xxh128}",
        size=_DECODER_BYTES,
        size_is_exact=False,
    )
    return model, decoder


_PAIRS = [_micro_sam_pair(*row) for row in _MICRO_SAM_FILES]

REGISTRY: Mapping[str, CheckpointSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (_BUNDLED, *_OFFICIAL, *(model for model, _ in _PAIRS))
    }
)
"""Every model that can be loaded by name, the bundled one first."""

DECODERS: Mapping[str, CheckpointSpec] = MappingProxyType(
    {decoder.name: decoder for _, decoder in _PAIRS}
)
"""Instance decoders that belong to models of `REGISTRY` (see their `decoder`)."""


def suggest_names(name: str) -> list[str]:
    """Names of models that look like `name`, likeliest first; may be empty."""
    wanted = name.lower().replace("-", "_")
    spellings: dict[str, str] = {}
    for spec in REGISTRY.values():
        title = spec.title.lower().replace("-", "_")
        for spelling in (spec.name, spec.filename, title, title.replace(" ", "_")):
            spellings.setdefault(spelling, spec.name)
    near = get_close_matches(wanted, spellings, n=6, cutoff=0.6)
    return list(dict.fromkeys(spellings[spelling] for spelling in near))[:3]


def get_spec(name: str) -> CheckpointSpec:
    """Look up a model or an instance decoder by its name.

    Raises
    ------
    CheckpointError
        If no checkpoint has that name; the message lists names like it.

    Examples
    --------
    >>> get_spec("vit_b").size_text
    '375 MB'
    """
    spec = REGISTRY.get(name) or DECODERS.get(name)
    if spec is not None:
        return spec
    near = suggest_names(name)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise CheckpointError(
        f"no checkpoint is called {name!r}; {hint}Known names: {', '.join(REGISTRY)}"
    )
