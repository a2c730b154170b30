"""What the policy's section `retention` deletes, one kind a file; never what something needs."""
