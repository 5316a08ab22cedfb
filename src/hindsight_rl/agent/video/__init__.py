"""Pictures and films of the policy."""
