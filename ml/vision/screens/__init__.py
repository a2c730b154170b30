"""Screens: checks of a photo that do not depend on the model."""
