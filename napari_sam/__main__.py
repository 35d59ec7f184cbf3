"""Run the napari-sam command with ``python -m napari_sam``."""

from __future__ import annotations

import sys

from napari_sam.cli import main

if __name__ == "__main__":
    sys.exit(main())
