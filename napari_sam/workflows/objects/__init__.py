"""Objects of one image: everything in it, from prompts, proposals, edges, features."""
