"""Commands that speak Hydra: reading what people type, and the folder that each run gets."""
