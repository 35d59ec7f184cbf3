"""Volumes and films: planes read one by one, objects followed, linked and tracked."""
