"""The page on which photos are coloured."""
