"""Who remembers and carries: journal, dispatcher, token log, topics, puller."""
