"""The payloads behind the references: what was asked, what was rendered, what came out. JSON, never in an event.

A field that is added has a default, so that payloads of earlier versions can be read.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.jobs import Usage


class Payload(BaseModel):
    """Base; unknown fields of a later version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def encode(self) -> bytes:
        """The bytes that the claim check is for; what is as by default is left out."""
        return self.model_dump_json(exclude_defaults=True).encode()


class ToolCall(Payload):
    """A call of a function that an assistant's turn made. `arguments` is JSON, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Payload):
    """One turn of a conversation. `tool_call_id` says which call a tool's turn answers."""

    role: Literal["system", "user", "assistant", "developer", "tool"]
    content: str
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None


class Grammar(Payload):
    """What an output must look like: a JSON schema or a structural tag as JSON, any JSON object, a regex."""

    kind: Literal["json_schema", "json_object", "regex", "structural_tag"]
    value: str = ""


class Passage(Payload):
    """A piece of a file that was found: characters `start` to `end` of its text, and how well it fits, from 0 to 1."""

    file_id: str
    filename: str
    start: int
    end: int
    text: str
    score: float
    attributes: dict[str, str | float | bool] = Field(default_factory=dict)


class Context(Payload):
    """What was found for a request, the best first."""

    queries: list[str]
    passages: list[Passage]


class Source(Payload):
    """A passage that stands in a prompt, without its text."""

    file_id: str
    filename: str
    start: int
    end: int


class Retrieval(Payload):
    """What a prompt tells of its retrieval. Sources are numbered from 1, as the prompt numbers them."""

    queries: list[str]
    sources: list[Source] = Field(default_factory=list)
    results: list[dict[str, Any]] | None = None  # all that was found, where the client wants to see it


class Turn(Payload):
    """An earlier turn of the conversation: the references, as text, of its request and its result."""

    request: str
    result: str


class Sampling(Payload):
    """How tokens are chosen; the same in a request and in its prompt. Not every engine knows every field."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_logprobs: int | None = None  # likeliest tokens to tell beside each chosen one; None: no likelihoods at all
    seed: int | None = None
    stop: list[str] = Field(default_factory=list)
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


class Tooling(Payload):
    """Which functions the model may call, and whether it must. Tools and choice are in the Responses API's form."""

    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    reasoning: dict[str, Any] | None = None  # effort, summary


class Request(Sampling, Tooling):
    """What the client asked for. Exactly one of `template`, `messages` and `input` is there."""

    model: str
    template: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    messages: list[Message] | None = None
    input: list[dict[str, Any]] | None = None  # items of the Responses API, with ids
    before: list[dict[str, Any]] = Field(default_factory=list)  # items that precede the input and are not part of it
    context: list[Turn] = Field(default_factory=list)  # turns that precede all these, oldest first
    parent_rendered: str | None = None  # the reference of the last of them's prompt
    instructions: str | None = None
    max_output_tokens: int | None = None
    format: dict[str, Any] | None = None  # the `text.format` of the Responses API
    truncation: Literal["auto", "disabled"] = "disabled"
    metadata: dict[str, str] = Field(default_factory=dict)
    priority: int = 0
    background: bool = True
    stored: bool = True
    previous_response_id: str | None = None
    conversation: str | None = None
    prompt: dict[str, Any] | None = None  # the template that was used, as the Response repeats it
    show_results: bool = False  # of a file search
    echo: dict[str, Any] = Field(default_factory=dict)  # further fields that the Response repeats
    custom_id: str | None = None  # of a line of a batch


class Prompt(Sampling, Tooling):
    """What the engine gets. `token_ids` is None where the engine has no tokenizer of its own."""

    temperature: float
    top_p: float
    messages: list[Message]
    token_ids: list[int] | None = None
    input_tokens: int = 0  # of the whole prompt; where the engine has no tokenizer, words
    max_tokens: int  # output tokens, after the context's limit was applied
    grammar: Grammar | None = None
    retrieval: Retrieval | None = None
    priority: int = 0
    metadata: dict[str, str] = Field(default_factory=dict)
    plain: bool = False  # no reasoning and no calls are looked for in the output

    @property
    def text(self) -> str:
        """The whole prompt in words, for an engine that has neither a tokenizer nor turns."""
        return "\n".join([f"{message.role}: {message.content}" for message in self.messages])


class Result(Payload):
    """What came out: the output items of the Response, and the figures."""

    output: list[dict[str, Any]]
    usage: Usage
    reasoning_tokens: int = 0
    finish_reason: str
    engine_fingerprint: str
    token_ids: list[int] = Field(default_factory=list)  # of the whole output


class EmbeddingRequest(Payload):
    """What a line of a batch wants vectors of. `encoding_format` is float or base64."""

    custom_id: str
    model: str
    inputs: list[str | list[int]]
    dimensions: int | None = None
    encoding_format: str = "float"


class EmbeddingResult(Payload):
    """The vectors, each as little-endian float32 in base64, and how many tokens the inputs had together."""

    vectors: list[str]
    tokens: int


class IndexRequest(Payload):
    """What is to be put into a vector store's index: an attachment of a file, cut into chunks of so many tokens."""

    attachment: str
    store: str
    file: str
    filename: str
    chunk_tokens: int
    overlap_tokens: int
