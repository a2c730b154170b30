"""Demos that start from an empty installation: a nightly run, and a retraining run."""
