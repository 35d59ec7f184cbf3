"""Files: images, labels and samples."""
