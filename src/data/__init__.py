"""Data sets: which pictures there are, in which split, and how they become tensors."""
