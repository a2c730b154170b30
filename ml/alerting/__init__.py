"""What an operator is told of by himself: facts, rules, and their delivery by webhook."""
