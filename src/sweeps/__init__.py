"""Sweeps: many runs, ranked at the end, of which one may fail without the others."""
