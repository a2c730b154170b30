"""What an operator reads each morning: the last night, its trend, the backlog, leaks and drift."""
