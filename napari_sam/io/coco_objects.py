"""Objects as COCO: classes as categories, masks as run lengths or polygons.

COCO's polygons have no holes. An object that has some is written as run lengths, which
every reader of COCO understands beside polygons.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pycocotools import mask as coco_masks

from napari_sam.io.coco import segmentation_to_rle, write_coco
from napari_sam.io.object_set import ObjectMask, ObjectSet, rgb_of, table_of
from napari_sam.io.outlines import trace_objects
from napari_sam.ops.message_text import listed
from napari_sam.ops.rle import Rle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from napari_sam.ops.polygons import Polygon

__all__ = [
    "coco_images",
    "content_to_objects",
    "objects_to_coco",
    "read_coco_objects",
    "write_coco_objects",
]

_UNNAMED = "object"


def objects_to_coco(
    images: Iterable[tuple[str, ObjectSet]],
    polygons: bool = False,
    tolerance: float = 0.0,
) -> dict[str, Any]:
    """Put the objects of images into COCO's form.

    Parameters
    ----------
    images
        The name of each image's file, and its objects, on one plane.
    polygons
        Whether masks are polygons where these lose nothing; else run lengths.
    tolerance
        Of the polygons; see `napari_sam.io.outlines.trace_objects`.

    Returns
    -------
    dict
        Of plain types. The annotations have the number of their object as ``label``,
        and as ``id`` where there is one image.

    Raises
    ------
    ValueError
        If objects lie in a stack.
    """
    content: dict[str, Any] = {"images": [], "categories": [], "annotations": []}
    categories: dict[str, int] = {}
    named = list(images)
    for number, (name, objects) in enumerate(named, start=1):
        if len(objects.shape) != 2:
            raise ValueError(
                f"COCO holds images of one plane; the objects have the axes "
                f"{objects.axes.upper()}. Choose a plane (--plane), or write the stack "
                "as .tif, .zip (ImageJ) or .geojson (QuPath)"
            )
        height, width = objects.shape
        content["images"].append(
            {"id": number, "file_name": name, "height": height, "width": width}
        )
        outlines = trace_objects(objects.masks, tolerance) if polygons else None
        for at, one in enumerate(objects.masks):
            kind = str(objects.fact(one.label, "class") or _UNNAMED)
            if kind not in categories:
                categories[kind] = len(categories) + 1
                content["categories"].append(_category(objects, one, kind, categories))
            content["annotations"].append(
                {
                    "id": one.label
                    if len(named) == 1
                    else len(content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": categories[kind],
                    **_annotation(objects, one, outlines[at] if outlines else None),
                }
            )
    if not categories:
        content["categories"].append({"id": 1, "name": _UNNAMED})
    return content


def _category(
    objects: ObjectSet, one: ObjectMask, kind: str, categories: Mapping[str, int]
) -> dict[str, Any]:
    found: dict[str, Any] = {"id": categories[kind], "name": kind}
    color = objects.color(one.label)
    if color:
        found["color"] = list(rgb_of(color))
    return found


def _annotation(
    objects: ObjectSet, one: ObjectMask, outline: Sequence[Polygon] | None
) -> dict[str, Any]:
    rows, cols = one.mask.shape
    row, col = one.corner
    segmentation: Any
    if outline and not any(part.holes for part in outline):
        segmentation = [
            part.exterior[:, ::-1].ravel().astype(float).tolist() for part in outline
        ]
    else:
        shape = (objects.shape[0], objects.shape[1])
        rle = Rle.encode(one.mask, shape, one.corner)
        packed = coco_masks.frPyObjects(rle.to_coco(), *shape)
        segmentation = {"size": list(shape), "counts": packed["counts"].decode("ascii")}
    found = {
        "label": one.label,
        "segmentation": segmentation,
        "bbox": [col, row, cols, rows],
        "area": int(one.mask.sum()),
        "iscrowd": 0,
    }
    score = objects.fact(one.label, "score")
    if score is not None:
        found["score"] = float(score)
    return found


def write_coco_objects(
    path: Path,
    objects: ObjectSet,
    tolerance: float = 0.0,
    file_name: str = "",
    polygons: bool = False,
) -> Path:
    """Write the objects of an image as COCO; see `objects_to_coco`.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    named = [(file_name or f"{path.stem}.tif", objects)]
    return write_coco(path, objects_to_coco(named, polygons, tolerance))


def coco_images(path: Path) -> dict[str, Any]:
    """Read a file of COCO's form; see `content_to_objects`.

    Raises
    ------
    ValueError
        If it is no JSON of COCO's form.
    OSError
        If it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no COCO file: {error}") from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= set(content):
        raise ValueError(
            f"{path} is no COCO file: it has no “images” and “annotations”"
        )
    return content


def read_coco_objects(
    path: Path, shape: tuple[int, ...] | None = None, image: str = ""
) -> ObjectSet:
    """Read the objects of an image in a COCO file.

    Parameters
    ----------
    path
        The file.
    shape
        Of the image, to be compared with what the file says.
    image
        Its name, or that name without its ending; a file of one image needs none.

    Raises
    ------
    ValueError
        If it is no COCO file, it holds several images and none is named, or the shape
        is another.
    OSError
        If it cannot be read.
    """
    content = coco_images(path)
    try:
        names = [str(one["file_name"]) for one in content["images"]]
        chosen = _choose(path, names, image)
        objects = content_to_objects(content, chosen)
    except _NotChosenError:
        raise
    except KeyError as error:
        raise ValueError(
            f"{path} is no COCO file: there is no {error} where one is wanted"
        ) from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path} is no COCO file: {error}") from error
    if shape is not None and tuple(shape) != objects.shape:
        raise ValueError(
            f"{path} is of an image of {objects.shape[0]} x {objects.shape[1]} pixels, "
            f"and the image has the shape {tuple(shape)}"
        )
    return objects


class _NotChosenError(ValueError):
    """It is not clear which image of a file is wanted."""


def _choose(path: Path, names: Sequence[str], image: str) -> str:
    if not image and len(names) == 1:
        return names[0]
    wanted = [image, image.rpartition(".")[0] or image]
    for name in names:
        base = name.replace("\\", "/").rpartition("/")[2]
        if image and ({name, base, base.rpartition(".")[0]} & set(wanted)):
            return name
    if not names:
        raise ValueError("it holds no image")
    if image:
        raise _NotChosenError(f"{path} has no image {image}; it has {listed(names)}")
    raise _NotChosenError(
        f"{path} has {len(names)} images: {listed(names)}; choose one by its name "
        "(--image-name), or convert all into a folder (--format)"
    )


def content_to_objects(content: Mapping[str, Any], name: str) -> ObjectSet:
    """Take the objects of the image of a name out of COCO's form.

    Raises
    ------
    KeyError
        If a part is missing.
    ValueError, TypeError
        If a part is of another kind, or a mask does not fit its image.
    """
    (image,) = [one for one in content["images"] if str(one["file_name"]) == name][:1]
    shape = (int(image["height"]), int(image["width"]))
    kinds = {one["id"]: one for one in content.get("categories", [])}
    masks, rows = [], []
    taken: set[int] = set()
    annotations = [
        one for one in content["annotations"] if one["image_id"] == image["id"]
    ]
    for at, one in enumerate(annotations, start=1):
        if not one.get("segmentation"):
            raise ValueError(
                f"annotation {one.get('id', at)} holds no mask, and masks are wanted: "
                "its segmentation must be run lengths or polygons"
            )
        rle = segmentation_to_rle(one["segmentation"], shape)
        if rle.shape != shape:
            raise ValueError(f"a mask of shape {rle.shape} lies in an image of {shape}")
        label = one.get("label", one.get("id"))
        if not isinstance(label, int) or not 0 < label < 2**31 or label in taken:
            label = next(free for free in range(at, 2**31) if free not in taken)
        taken.add(label)
        if rle.bbox is None:
            continue
        top, left, _, _ = rle.bbox
        masks.append(ObjectMask(label, rle.decode_box(rle.bbox), (top, left)))
        rows.append({"index": label, **_facts(one, kinds)})
    return ObjectSet(tuple(masks), shape, "yx", table_of(rows))


def _facts(one: Mapping[str, Any], kinds: Mapping[Any, Mapping[str, Any]]) -> Any:
    found: dict[str, Any] = {}
    kind = kinds.get(one.get("category_id"), {})
    if kind.get("name") not in (None, _UNNAMED):
        found["class"] = str(kind["name"])
        if isinstance(kind.get("color"), list) and len(kind["color"]) == 3:
            found["color"] = "#" + "".join(f"{int(c) & 255:02x}" for c in kind["color"])
    if one.get("score") is not None:
        found["score"] = float(one["score"])
    return found
