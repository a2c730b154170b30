"""Training of a model version on labeled photos."""
