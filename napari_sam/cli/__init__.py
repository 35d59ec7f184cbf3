"""The napari-sam command."""
