"""Measurements of a labels layer: kept up to date, shown on the canvas."""
