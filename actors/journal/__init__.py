"""The journal: what has happened to every job."""
