"""Objects followed through the stack of a viewer."""
