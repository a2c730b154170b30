"""Review queue and reviewers page."""
