"""Violations drawn over products."""
