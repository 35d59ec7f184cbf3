"""The networks of Segment Anything: torch modules only."""
