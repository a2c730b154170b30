"""The architectures of model versions, behind one interface."""
