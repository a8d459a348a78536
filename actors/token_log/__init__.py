"""The token log: what readers see of a generation, durable."""
