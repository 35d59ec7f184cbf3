"""What is asked of napari's viewer and its layers."""
