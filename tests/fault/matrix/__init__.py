"""`make fault`: every cell is a way to die, with 200 jobs in flight on a real Ray. See docs/faults.md."""
