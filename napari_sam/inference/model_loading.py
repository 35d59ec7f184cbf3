"""A name or a path -> a model that is ready to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.checkpoints.load import load_sam
from napari_sam.inference.predictor import Predictor
from napari_sam.inference.text_space import load_text_space

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from napari_sam.ops.remote_device import RemoteDevice

__all__ = ["load_model"]


def load_model(
    source: str | Path = "cells",
    *,
    device: str | torch.device | RemoteDevice = "auto",
    dtype: str = "auto",
    instance_decoder: str | Path | None = None,
    object_head: str | Path | None = None,
    text_model: str | Path | None = None,
) -> Predictor:
    """Load a model and make it ready to be asked.

    Parameters
    ----------
    source : str or Path
        A name of the registry (see ``napari-sam models``; "cells" ships with the
        package) or the path of a checkpoint, of a BioImage.IO package, or of a folder
        of ONNX files that `export_model` wrote.
    device : str, torch.device or RemoteDevice
        "auto" (CUDA, else MPS, else the CPU) or what PyTorch calls a device; or the
        address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``, whose workers
        embed the planes, while prompts are answered here.
    dtype : {"auto", "float32", "bfloat16"}
        "auto" computes the image encoder in bfloat16 where the processor has it
        and all else in float32; "float32"; or "bfloat16" for the mask decoder too.
    instance_decoder : str or Path, optional
        Name or file of micro-sam's instance decoder for the model. If it is left out,
        the one in the model's own file, the downloaded one of a registered model, or
        ``NAME_decoder.pt`` beside ``NAME.pt``, where there is one.
    object_head : str or Path, optional
        File of the head that embeds objects for texts and examples, from ``napari-sam
        train --text``; ``NAME-objects.safetensors`` beside the model's own file
        ``NAME.safetensors`` where there is one, else the head that ships.
    text_model : str or Path, optional
        Local folder with a CLIP in Hugging Face's layout, whose words the head knows;
        the text encoder that ships if None. Needs the extra ``[transformers]``.

    Returns
    -------
    Predictor
        A model of its own, even where the same one is loaded already.

    Raises
    ------
    CheckpointError
        If the source, the head or the text model can not be loaded, or do not belong
        together; the message says why and what to do.
    ValueError
        If the device or the dtype can not be used.
    OSError
        If the workers can not be used.

    Warns
    -----
    RuntimeWarning
        When planes are embedded, if the workers are lost: this machine goes on.

    Examples
    --------
    >>> import napari_sam
    >>> napari_sam.load_model("cells").has_dense_head
    True
    """
    loaded = load_sam(source, instance_decoder=instance_decoder)
    predictor = Predictor(
        loaded.model,
        name=loaded.name,
        digest=loaded.digest,
        object_size=loaded.object_size,
        device=device,
        dtype=dtype,
        source=str(source),
    )
    predictor.instance_scorer = loaded.instance_scorer
    predictor.object_head, predictor.text_tower = load_text_space(
        predictor.model, source, object_head, text_model
    )
    return predictor
