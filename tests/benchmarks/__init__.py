import src  # noqa: F401  Before torch: it settles how threads wait, as for the commands.
