"""Batches: files whose lines are requests."""
