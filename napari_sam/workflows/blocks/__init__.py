"""Images larger than memory: segmented block by block, on one machine or many."""
