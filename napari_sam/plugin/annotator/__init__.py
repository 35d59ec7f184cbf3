"""Annotating in a viewer: prompt layers, keys, previews, objects, saving."""
