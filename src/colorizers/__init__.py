"""Colourisers: what takes L, and perhaps hints or a reference, to ab."""
