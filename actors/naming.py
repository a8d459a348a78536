"""The names under which shared actors are found."""

NAMESPACE = "heliograph"
TOPICS = "topics"  # the actor of all topics
TOPIC_SIZE = 1000  # tickets


def journal_name(shard: int = 0) -> str:
    """The actor of a shard's journal."""
    return f"journal-{shard}"


def token_log_name(shard: int = 0) -> str:
    """The actor of a shard's token log."""
    return f"tokens-{shard}"
