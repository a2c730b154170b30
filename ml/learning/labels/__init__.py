"""Label import and the archive of labeled photos."""
