"""PostgreSQL and SeaweedFS from their wheels, for development, tests and the demo."""
