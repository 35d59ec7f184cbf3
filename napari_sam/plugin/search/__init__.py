"""Finding everything on a plane: the search, what it found, and keeping it."""
