"""Pretrained weights from the shop's own photos: which ones, and distilling on them."""
