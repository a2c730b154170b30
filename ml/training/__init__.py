"""From a folder of labelled photos to a model version."""
