"""What the benchmark of retrieval counts as an answer, and how it judges."""

import pytest

from benchmarks.judgement import judge, mean
from benchmarks.python_docs import Query, read_page
from benchmarks.retrieval import Speed, answers, rank, result
from deployments.knowledge.converter import Converter
from deployments.knowledge.retrieval import Attached, Passage

BODY = " ".join(f"word{number}" for number in range(60))
PAGE = f"""<html><body><div class="sphinxsidebar">Why is the sea salty?</div><div role="main">
<section><h1>Sea</h1><nav class="contents"><p>Contents</p><a href="#a">Why is the sea salty?</a></nav><p>About it.</p>
<section id="a"><h2>1.2. Why is the sea salty?<a class="headerlink" href="#a">¶</a></h2><p>Salt {BODY}</p></section>
<section id="b"><h2>Short</h2><p>Too short a title. {BODY}</p></section>
<section id="c"><h2>A section without words</h2><p>Few.</p></section>
</section></div></body></html>"""


def passage(start: int, end: int, page: str = "a.html") -> Passage:
    return Passage("att", Attached("file", page, {}), "x" * (end - start), start, end, 0.5)


def test_a_title_is_a_query_and_stands_nowhere_in_the_text() -> None:
    converter = Converter()
    page, queries = read_page("faq/sea.html", PAGE, converter)
    converter.close()
    (query,) = queries
    assert query.text == "Why is the sea salty?"
    assert "salty" not in page.text
    assert "qqsection" not in page.text
    assert page.text[query.start : query.end].split() == ["Salt", *BODY.split()]
    assert "Short" in page.text
    assert "A section without words" in page.text


def test_half_of_either_in_the_other_answers() -> None:
    query = Query("why", "a.html", 100, 200)
    assert answers(passage(100, 200), query)
    assert answers(passage(0, 150), query)
    assert answers(passage(150, 170), query)
    assert answers(passage(160, 240), query)
    assert not answers(passage(0, 149), query)
    assert not answers(passage(170, 300), query)
    assert not answers(passage(100, 200, "b.html"), query)
    assert rank([passage(0, 10), passage(90, 210), passage(100, 200)], query) == 2
    assert rank([passage(0, 10)], query) is None


def test_scores_follow_from_the_place_of_the_answer() -> None:
    scores = judge([1, 3, None, None])
    assert scores.recall.tolist() == [1, 1, 0, 0]
    assert scores.ndcg.tolist() == [1, 0.5, 0, 0]
    interval = mean(scores.ndcg)
    assert interval.mean == 0.375
    assert interval.low < 0.375 < interval.high


def test_differences_are_those_of_the_same_query() -> None:
    better, worse = judge([1] * 50 + [None] * 50), judge([2] * 50 + [None] * 50)
    scores = {"vector": worse, "bm25": worse, "hybrid": better, "hybrid_rerank": better}
    found = result(scores, Speed([2.0, 3.0, 4.0], [4.0, 4.0, 4.0]))
    gain = found["differences"]["hybrid-vector"]
    assert gain["recall"] == (0, 0, 0)
    assert gain["ndcg"].mean == pytest.approx(0.1845, abs=1e-3)
    assert gain["ndcg"].low > 0.1
    assert found["vs_encoder"].median == 0.75
