"""Monitoring, alerting, retention, backup and health checks."""
