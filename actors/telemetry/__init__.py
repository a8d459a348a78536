"""What is told about the system while it runs: metrics, traces, logs."""
