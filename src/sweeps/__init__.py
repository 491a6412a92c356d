"""Sweeps: many runs, of which each may fail alone, ranked at the end."""
