"""From an image to an embedding to masks."""
