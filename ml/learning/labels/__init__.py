"""Label import and the archive of labelled photos."""
