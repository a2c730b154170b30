"""Training of the text gate."""
