"""Settings, errors, shared types and statistics. Every package imports it; it imports none."""
