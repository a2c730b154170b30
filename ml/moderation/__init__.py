"""From photos to verdicts: pipeline, nightly run and online service."""
