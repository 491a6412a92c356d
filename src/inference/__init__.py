"""Colouring one photograph: predict at the size of the network, then paint at full size."""
