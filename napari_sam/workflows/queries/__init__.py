"""What the user asks for: by text, by examples, by classes."""
