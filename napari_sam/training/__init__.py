"""Learning from images with labels."""
