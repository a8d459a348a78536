"""What is done with many rows at once: the pipelines of Ray Data."""
