"""One object in 3D, grown from what is said of it on a few planes."""
