"""What has become of a job: OpenAI's Response object, the native job view, its events."""
