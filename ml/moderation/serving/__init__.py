"""The service that answers `POST /predict`."""
