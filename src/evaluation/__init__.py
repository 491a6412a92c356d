"""Judging colourisers: pictures under a protocol, colourings, figures with intervals, a page."""
