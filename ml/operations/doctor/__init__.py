"""Health checks of a deployment."""
