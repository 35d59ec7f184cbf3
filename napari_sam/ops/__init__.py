"""Pure functions and frozen value types."""
