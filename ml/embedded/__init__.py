"""Embedded default servers: PostgreSQL and SeaweedFS where no connection settings are given."""
