"""The shapes of the resources: every field of the contract, with its limits."""
