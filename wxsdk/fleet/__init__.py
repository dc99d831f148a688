"""Many bots on many processes and machines that share a store (docs/architecture)."""
