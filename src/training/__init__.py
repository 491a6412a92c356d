"""Training one network: the LightningModule, and what surrounds a run."""
