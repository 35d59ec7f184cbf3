"""What a user asks for, without a GUI."""
