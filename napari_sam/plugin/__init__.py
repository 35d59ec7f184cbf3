"""The napari plugin; the only package that knows the GUI."""
