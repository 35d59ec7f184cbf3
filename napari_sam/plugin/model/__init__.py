"""The model behind the window: loaded, at work on threads, its memory."""
