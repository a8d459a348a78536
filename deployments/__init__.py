"""Who works: ingestion, prompting, inference, history; `app.py` wires them."""
