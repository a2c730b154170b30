"""Backends: the computation of a version's logits, behind one protocol."""
