import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from deployments.prompting.tokenizers import ChatTokenizer, WordCounter
from pipelines.payloads import Message

WORDS = ["?", "<system>", "<user>", "<answer>", "hello", "there"]
TEMPLATE = """
{%- for message in messages %}<{{ message.role }}> {{ message.content }} {% endfor -%}
{%- if add_generation_prompt %}<answer>{% endif -%}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose tokens are words."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="?"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"unk_token": "?"}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def test_the_models_own_chat_template_makes_the_ids(folder: Path) -> None:
    encoded = ChatTokenizer(folder).encode([Message(role="user", content="hello there")])
    assert encoded == ([2, 4, 5, 3], 4)


def test_a_developer_speaks_as_the_system(folder: Path) -> None:
    encoded = ChatTokenizer(folder).encode([Message(role="developer", content="hello")])
    assert encoded.token_ids == [1, 4, 3]


def test_where_there_are_no_tokens_words_count() -> None:
    messages = [Message(role="user", content="hello  there\nyou"), Message(role="assistant", content="")]
    assert WordCounter().encode(messages) == (None, 3)
