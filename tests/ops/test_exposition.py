"""Prometheus' text, read back by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from hub.ops.exposition import Histogram, Sample, text


def parsed(*metrics: Sample | Histogram) -> dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    families = text_string_to_metric_families(text(metrics))
    return {f.name: {(s.name, tuple(sorted(s.labels.items()))): s.value for s in f.samples} for f in families}


def test_samples_of_one_name_stand_together() -> None:
    a = Sample("x_total", "counter", "X.", 1, (("k", "1"),))
    b = Sample("y", "gauge", "Y.", 2.5)
    c = Sample("x_total", "counter", "X.", 3, (("k", "2"),))
    assert text([a, b, c]).splitlines() == [
        "# HELP trunkline_x_total X.",
        "# TYPE trunkline_x_total counter",
        'trunkline_x_total{k="1"} 1',
        'trunkline_x_total{k="2"} 3',
        "# HELP trunkline_y Y.",
        "# TYPE trunkline_y gauge",
        "trunkline_y 2.5",
    ]


def test_a_histogram_adds_its_buckets_up() -> None:
    found = parsed(Histogram("h_seconds", "H.", (0.1, 1.0), (2, 3, 4), 9.5, (("e", "a"),)))
    assert found["trunkline_h_seconds"] == {
        ("trunkline_h_seconds_bucket", (("e", "a"), ("le", "0.1"))): 2,
        ("trunkline_h_seconds_bucket", (("e", "a"), ("le", "1"))): 5,
        ("trunkline_h_seconds_bucket", (("e", "a"), ("le", "+Inf"))): 9,
        ("trunkline_h_seconds_sum", (("e", "a"),)): 9.5,
        ("trunkline_h_seconds_count", (("e", "a"),)): 9,
    }


def test_labels_and_help_are_escaped() -> None:
    nasty = 'a"b\\c\nd'
    found = parsed(Sample("x", "gauge", "one\ntwo \\ three", 1, (("k", nasty),)))
    assert found == {"trunkline_x": {("trunkline_x", (("k", nasty),)): 1}}
