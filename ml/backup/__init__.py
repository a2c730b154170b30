"""The schema `moderation` and the model bucket into a folder, and back."""
