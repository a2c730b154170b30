"""Reviewers' decisions on photos that the model is not confident about: the rules."""
