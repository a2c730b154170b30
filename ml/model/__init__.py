"""The network, its card, its file and the registry of versions."""
