"""Topics: where tickets travel."""
