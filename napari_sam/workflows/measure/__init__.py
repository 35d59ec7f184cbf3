"""Tables of what is measured of each object: of planes, volumes, films and folders."""
