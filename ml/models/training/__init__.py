"""Training of a model version on labelled photos."""
