"""Whether another project of the same name is installed beside this one."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

__all__ = ["conflicting_package"]

_NAME = "napari-sam"


def conflicting_package() -> str:
    """Say which other project named napari-sam is installed; "" for none.

    On PyPI that name belongs to another project, up to version 0.4. Both bring a
    manifest, and napari then shows the entries of either.
    """
    found: dict[Path, str] = {}
    for distribution in distributions(name=_NAME):
        where = Path(str(distribution.locate_file(""))).resolve()
        found.setdefault(where, distribution.version)
    others = [
        (version, where)
        for where, version in found.items()
        if version.startswith("0.") and version.split(".")[1].split("+")[0].isdigit()
    ]
    if not others or len(found) < 2:
        return ""
    version, where = others[0]
    return (
        f"Another project is installed as {_NAME} too, version {version} in {where}. "
        f"Uninstall it, or napari mixes up the two: pip uninstall {_NAME}, then "
        "install this one again."
    )
