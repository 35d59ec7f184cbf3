"""From a name to a verified file to a built model."""
