"""Models for other programs, by one function."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.checkpoints import export
from napari_sam.checkpoints.export_bioimageio import export_bioimageio
from napari_sam.checkpoints.export_onnx import check_replaceable, export_onnx

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.checkpoints.bioimageio_graphs import Answers

__all__ = ["ANSWERS", "FORMS", "check_answers", "check_place", "export_model"]

FORMS = ("onnx", "bioimageio", "meta", "micro-sam")
"""In what forms a model can be written."""

ANSWERS = ("maps", "points")
"""What a BioImage.IO package can be asked for."""


def export_model(
    model: str | Path,
    path: str | Path,
    *,
    to: str,
    answers: Answers | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model in the form of another program.

    Parameters
    ----------
    model : str or Path
        What `load_model` takes: the name of a model that is on this machine, or the
        path of a checkpoint.
    path : str or Path
        Where it goes: a folder for "onnx", a ``.zip`` file for "bioimageio", a ``.pth``
        file for "meta", a ``.pt`` file for "micro-sam".
    to : str
        "onnx": image encoder and prompt decoder as two ONNX files that run without
        PyTorch, with a description; needs the extra ``export``. "bioimageio": a
        BioImage.IO package, tested by BioImage.IO's library; needs the same extra.
        `load_model` takes both. "meta": the weights in the layout of
        segment-anything, MobileSAM or SAM-HQ, which micro-sam reads too. "micro-sam":
        the weights with micro-sam's instance decoder.
    answers : "maps" or "points", optional
        What a BioImage.IO package computes: maps of where objects are, from a plane
        alone, or the objects at points. By default maps, if the model has them.
    overwrite : bool
        Whether what is there is replaced; of a folder, an earlier export only.

    Returns
    -------
    Path
        The file or folder written.

    Raises
    ------
    ValueError
        If the form or the model is unknown, the model has no such form, or something
        is there already.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> import napari_sam
    >>> napari_sam.export_model("cells", "cells-onnx", to="onnx")  # doctest: +SKIP
    """
    place = Path(path)
    check_place(place, to)
    check_answers(to, answers)
    if place.exists() and not overwrite:
        raise ValueError(f"{place} is there already; overwrite=True replaces it")
    writers: dict[str, Callable[[str | Path, Path], Path]] = {
        "onnx": export_onnx,
        "bioimageio": partial(export_bioimageio, answers=answers),
        "meta": export.export_pth,
        "micro-sam": export.export_micro_sam,
    }
    return writers[to](model, place)


def check_place(path: Path, to: str) -> None:
    """Refuse, before any work, an unknown form, or a place that is none for it.

    Raises
    ------
    ValueError
        The message says what is wanted.
    """
    if to not in FORMS:
        raise ValueError(f"there is no form {to!r}; there are {', '.join(FORMS)}")
    if to == "onnx":
        check_replaceable(path)
    elif path.is_dir():
        raise ValueError(f"{path} is a folder; this form of a model is a file")


def check_answers(to: str, answers: str | None) -> None:
    """Refuse what a package cannot be asked for, and forms that are not asked.

    Raises
    ------
    ValueError
        The message says what is wanted.
    """
    if answers is None:
        return
    if answers not in ANSWERS:
        raise ValueError(f"answers is {answers!r}; there are {', '.join(ANSWERS)}")
    if to != "bioimageio":
        raise ValueError(
            f"what it answers is chosen for a BioImage.IO package only, not for {to!r}"
        )
