"""Annotation: prompts, answers, objects, undo, and the labels they are written to."""
