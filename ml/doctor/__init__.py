"""Is this deployment fit for a night? One check a function; each failure says what to do."""
