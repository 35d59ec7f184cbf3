"""Small images in every kind of file that the reader claims.

Each writer takes a folder and an array, and returns the file's path. Calibrated ones
say that a pixel is 0.5 um by 0.25 um, and planes 2 um apart.
"""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import tifffile
import zarr

__all__ = ["CHANNELS", "COLOURS", "PLANES", "VOLUMES", "write_ome_zarr"]

ROW, COL, DEPTH = 0.5, 0.25, 2.0


def _tiff(name, **options):
    options.setdefault("photometric", "minisblack")

    def write(folder, array):
        path = folder / name
        tifffile.imwrite(path, array, **options)
        return path

    return write


def _imagej(name, axes):
    told = {"axes": axes, "unit": "um"}
    if "Z" in axes:
        told["spacing"] = DEPTH
    return _tiff(name, imagej=True, metadata=told, resolution=(1 / COL, 1 / ROW))


def _ome(name, axes, **options):
    told = {"axes": axes}
    for axis, size in (("X", COL), ("Y", ROW), ("Z", DEPTH)):
        if axis in axes:
            told[f"PhysicalSize{axis}"] = size
            told[f"PhysicalSize{axis}Unit"] = "µm"
    return _tiff(name, ome=True, metadata=told, **options)


def _pyramid(folder, array):
    path = folder / "pyramid.ome.tif"
    told = {"axes": "YX", "PhysicalSizeX": COL, "PhysicalSizeY": ROW}
    options = {"photometric": "minisblack", "tile": (16, 16)}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(array, subifds=1, metadata=told, **options)
        file.write(array[::2, ::2], subfiletype=1, **options)
    return path


def _scenes(folder, array):
    path = folder / "scenes.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for part in (array[:9, :9], array, array[:12]):
            file.write(part, photometric="minisblack", metadata={"axes": "YX"})
    return path


def _picture(name):
    def write(folder, array):
        iio.imwrite(folder / name, array)
        return folder / name

    return write


def _deep_png(folder, array):
    from imagecodecs import png_encode

    (folder / "deep.png").write_bytes(png_encode(array))
    return folder / "deep.png"


def _npy(name):
    def write(folder, array):
        np.save(folder / name, array)
        return folder / name

    return write


def _zarr(name, zarr_format):
    def write(folder, array):
        pieces = tuple(min(16, length) for length in array.shape)
        zarr.create_array(
            str(folder / name), data=array, chunks=pieces, zarr_format=zarr_format
        )
        return folder / name

    return write


def write_ome_zarr(path, array, axes, zarr_format=3):
    """Write an OME-Zarr image of one level, 0.4 or 0.5, with sizes in um."""
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    group.create_array("0", data=array, chunks=tuple(min(16, n) for n in array.shape))
    sizes = {"z": DEPTH, "y": ROW, "x": COL}
    named = [
        {"name": axis, "type": "space", "unit": "micrometer"}
        if axis in sizes
        else {"name": axis, "type": "channel" if axis == "c" else "time"}
        for axis in axes
    ]
    scale = [{"type": "scale", "scale": [sizes.get(axis, 1.0) for axis in axes]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    version = "0.4" if zarr_format == 2 else "0.5"
    image = {"version": version, "name": "image", "axes": named, "datasets": levels}
    told = {"multiscales": [image]}
    if zarr_format == 3:
        told = {"ome": {"version": version, **told}}
    group.attrs.update(told)
    return path


def _ome_zarr(name, axes, zarr_format):
    def write(folder, array):
        return write_ome_zarr(folder / name, array, axes, zarr_format)

    return write


PLANES = {
    "tiff": _tiff("plain.tif"),
    "tiff of tiles": _tiff("tiles.tif", tile=(16, 16)),
    "tiff of strips": _tiff("strips.tif", rowsperstrip=5),
    "big tiff": _tiff("big.tif", bigtiff=True),
    "big endian": _tiff("order.tif", byteorder=">"),
    "deflate": _tiff("deflate.tif", compression="zlib", predictor=True),
    "lzw": _tiff("lzw.tif", compression="lzw", predictor=True),
    "zstd": _tiff("zstd.tif", compression="zstd"),
    "packbits": _tiff("packbits.tif", compression="packbits"),
    "jpeg xr": _tiff("jpegxr.tif", compression="jpegxr"),
    "one of imagej": _imagej("imagej.tif", "YX"),
    "one of ome": _ome("one.ome.tif", "YX"),
    "pyramid": _pyramid,
    "scenes": _scenes,
    "png": _picture("gray.png"),
    "npy": _npy("array.npy"),
    "zarr 2": _zarr("two.zarr", 2),
    "zarr 3": _zarr("three.zarr", 3),
    "ome-zarr 0.4": _ome_zarr("old.ome.zarr", "yx", 2),
    "ome-zarr 0.5": _ome_zarr("new.ome.zarr", "yx", 3),
    "single z": _ome_zarr("z.ome.zarr", "zyx", 3),
}
"""Of one plane, (H, W) uint16; the last is given (1, H, W)."""

COLOURS = {
    "contiguous": _tiff("rgb.tif", photometric="rgb"),
    "jpeg in tiff": _tiff("jpeg.tif", photometric="rgb", compression="jpeg2000"),
    "png of 16 bit": _deep_png,
    "npy of uint8": _npy("rgb.npy"),
}
"""Of colour, (H, W, 3)."""

CHANNELS = {
    "at the end": _tiff("yxc.tif"),
    "named": _tiff("cyx.tif", metadata={"axes": "CYX"}),
    "imagej": _imagej("cyx-imagej.tif", "CYX"),
    "ome": _ome("cyx.ome.tif", "CYX"),
    "ome-zarr": _ome_zarr("cyx.ome.zarr", "cyx", 2),
    "ome-zarr of z": _ome_zarr("zcyx.ome.zarr", "zcyx", 3),
}
"""Of two channels, (2, H, W); "at the end" wants (H, W, 2), the last (1, 2, H, W)."""

VOLUMES = {
    "pages": _tiff("pages.tif"),
    "packed pages": _tiff("packed.tif", compression="lzw"),
    "imagej": _imagej("zyx.tif", "ZYX"),
    "ome": _ome("zyx.ome.tif", "ZYX", compression="zlib"),
    "npy": _npy("zyx.npy"),
    "zarr": _zarr("zyx.zarr", 3),
    "ome-zarr 0.4": _ome_zarr("zyx4.ome.zarr", "zyx", 2),
    "ome-zarr 0.5": _ome_zarr("zyx5.ome.zarr", "zyx", 3),
}
"""(Z, H, W) uint16."""
