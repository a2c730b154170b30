"""Checks beside the classifier: they send photos to a person or add evidence, never pass one."""
