"""Distillation of the bundled pretrained weights."""
