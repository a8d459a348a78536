"""The parts of an encoder, each by itself; the cross-encoder's weights are random, since none comes in a package."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertForSequenceClassification

from deployments.knowledge.cross_encoder import CrossEncoder
from deployments.knowledge.encoding import Pair
from deployments.knowledge.mean_pooling import MeanPooling
from deployments.knowledge.tokenizer import TextTokenizer
from deployments.knowledge.transformer import Transformer, batches
from pipelines.errors import RejectError
from tests.contract.encoders import folder, tokenizer

WINDOW = 32
QUERY = "who keeps the lamp"
PASSAGES = ["the keeper keeps the lamp", "bread", "salt and water " * 40, ""]


@pytest.fixture(scope="module")
def transformer() -> Transformer:
    return Transformer(folder(), marks=tokenizer().marks, window=WINDOW, threads=1)


def test_a_texts_vector_is_the_mean_over_the_tokens_of_all_its_windows(transformer: Transformer) -> None:
    ids = list(range(2000, 2070))
    windows = [[101, *ids[:30], 102], [101, *ids[30:60], 102], [101, *ids[60:], 102]]
    assert transformer.windows(ids) == windows
    states = [read.states[0] for window in windows for read in transformer.read([window])]
    mean = torch.cat(states).mean(0).numpy()
    (vector,) = MeanPooling(transformer).vectors([ids])
    assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 1000))
def test_rows_go_in_groups_that_are_small_enough_each_once(lengths: list[int], most: int) -> None:
    groups = list(batches(lengths, most))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[place] for place in group) <= most
    heads = [max(lengths[place] for place in group) for group in groups]
    assert heads == sorted(heads, reverse=True)


def test_spans_say_where_the_tokens_are_in_the_text() -> None:
    text = "Grüße, lighthouse-keeper! 日本"
    spans = tokenizer().spans(text)
    pieces = [text[start:end] for start, end in spans]
    assert pieces[-2:] == ["日", "本"]
    assert "".join(pieces) == text.replace(" ", "")
    assert len(spans) == len(tokenizer().ids([text])[0])


def test_ids_that_the_model_does_not_have_are_refused() -> None:
    assert tokenizer().ids([[0, 30521]]) == [[0, 30521]]
    for wrong in (30522, -1, 2**40):
        with pytest.raises(RejectError, match="30521") as caught:
            tokenizer().ids(["fine", [1, wrong]])
        assert (caught.value.code, caught.value.param) == ("invalid_value", "input")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    return CrossEncoder(random_model(tmp_path_factory.mktemp("cross"), labels=1), window=WINDOW, threads=1)


def random_model(place: Path, *, labels: int) -> Path:
    torch.manual_seed(7)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=labels,
        initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(place)
    (place / "tokenizer.json").write_bytes((folder() / "tokenizer.json").read_bytes())
    return place


def test_a_cross_encoder_scores_every_pair_the_same_in_any_company(cross_encoder: CrossEncoder) -> None:
    pairs = [Pair(query, passage) for query in (QUERY, "bread") for passage in PASSAGES]
    together = cross_encoder.scores(pairs)
    assert all(0 < score < 1 for score in together)
    assert len(set(together)) == len(pairs)
    assert [cross_encoder.scores([pair])[0] for pair in pairs] == pytest.approx(together, abs=1e-5)


def test_a_cross_encoder_reads_query_and_passage_as_its_model_was_taught(
    cross_encoder: CrossEncoder, tmp_path: Path
) -> None:
    ids, passage = tokenizer().ids([QUERY, PASSAGES[0]])
    model = BertForSequenceClassification.from_pretrained(random_model(tmp_path, labels=1)).eval()
    with torch.inference_mode():
        logits = model(
            input_ids=torch.tensor([[101, *ids, 102, *passage, 102]]),
            token_type_ids=torch.tensor([[0] * (len(ids) + 2) + [1] * (len(passage) + 1)]),
        ).logits
    assert cross_encoder.scores([Pair(QUERY, PASSAGES[0])]) == pytest.approx([logits.sigmoid().item()], abs=1e-6)


def test_a_long_passage_has_the_score_of_its_best_window(cross_encoder: CrossEncoder) -> None:
    room = WINDOW - len(tokenizer().ids([QUERY])[0]) - 3
    windows = ["salt " * room, "lamp " * room, "bread " * 3]
    whole, *parts = cross_encoder.scores([Pair(QUERY, text) for text in ("".join(windows), *windows)])
    assert whole == pytest.approx(max(parts), abs=1e-6)


def test_a_long_query_leaves_room_for_the_passage(cross_encoder: CrossEncoder) -> None:
    first, second = cross_encoder.scores([Pair("lamp " * 1000, passage) for passage in PASSAGES[:2]])
    assert first != second


def test_a_model_with_several_labels_is_no_cross_encoder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 labels"):
        CrossEncoder(random_model(tmp_path, labels=3), window=WINDOW, threads=1)


def test_a_tokenizer_is_read_when_it_is_first_asked(tmp_path: Path) -> None:
    late = TextTokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((folder() / "tokenizer.json").read_bytes())
    assert late.marks.before == [101]
