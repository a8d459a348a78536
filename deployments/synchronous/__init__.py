"""The wiring without topics: ingestion drives jobs, and calls a service for each of their steps."""
