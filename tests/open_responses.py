"""What Open Responses says that objects and events look like, from the package of its types."""

from openresponses_types import types as open_responses
from pydantic import BaseModel

ResponseResource = open_responses.ResponseResource
STREAMING_EVENTS: dict[str, type[BaseModel]] = {  # by type; it has another name for the reasoning's text
    next(iter(model.model_fields["type"].annotation)).value: model
    for name, model in vars(open_responses).items()
    if name.endswith("StreamingEvent")
}
