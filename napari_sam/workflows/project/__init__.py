"""A folder of images that is annotated bit by bit, as one project on disk."""
