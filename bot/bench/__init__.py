"""How fast this machine writes: the engine beside other ways of running the same model."""
