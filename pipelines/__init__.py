"""In what order: pure decisions about jobs. No Ray, no I/O, no clock."""
