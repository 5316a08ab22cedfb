"""Figures of pages: what matplotlib draws, as an element of a page."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from hindsight_rl.report.figures import Chart, Drawing, Scatter, Series, Spark, Stack, thinned

X = np.array([0.0, 500.0, 1000.0])
LINE = Series("hir <1>, 3 seeds", 2, X, np.array([0.0, 0.25, 0.5]), np.zeros(3), np.array([0.1, 0.3, 0.7]))


def chart(**settings) -> Chart:
    return Chart("accuracy & more", [LINE], "rollouts", "share of instructions", **settings)


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    return ["".join(each.itertext()) for each in root.iter() if each.tag in ("text", "title")]


def test_a_chart_names_itself_its_axes_and_its_lines():
    svg = str(Drawing()(chart()))
    shown = texts(svg)
    assert shown[0] == "accuracy & more" and "rollouts" in shown and "share of instructions" in shown
    assert "hir <1>, 3 seeds: 0.5 at 1k" in shown and {"0", "500", "1k"} <= set(shown)
    assert svg.startswith("<svg viewBox=") and 'role="img"' in svg


def test_colours_are_those_of_the_page():
    svg = str(Drawing()(chart()))
    assert set(re.findall(r"var\(--(\w+)\)", svg)) == {"c2", "soft", "line"}
    assert not re.search(r"(fill|stroke): #", svg), "a colour that dark pages would not change"
    layers = [("new", "new", np.ones(3)), ("mastered", "mastered", np.ones(3))]
    assert "fill: var(--mastered)" in Drawing()(Stack("slots", X, layers, "steps", "slots"))
    dots = [("wood, oir", 4, 0.25, 0.5)]
    assert "fill: var(--c4)" in Drawing()(Scatter("each", dots, "canonical", "paraphrased"))


def test_pages_are_reproducible_and_their_ids_are_unique():
    one, two = Drawing(), Drawing()
    page = [one(chart()) + one(chart()), two(chart()) + two(chart())]
    assert page[0] == page[1]
    ids = re.findall(r' id="([^"]+)"', page[0])
    assert ids and len(ids) == len(set(ids))
    assert set(re.findall(r'xlink:href="#([^"]+)"', page[0])) == set(ids)


def test_axes_begin_at_nought_and_hold_the_data():
    for line, low, high in ((LINE, "0", "0.8"), (Series("a", 0, X, -np.ones(3)), "-1", "0")):
        shown = texts(str(Drawing()(Chart("t", [line], "x", "y"))).replace("\u2212", "-"))
        assert low in shown and high in shown, shown
    assert "1" in texts(str(Drawing()(chart(y_max=1.0))))


def test_a_small_chart_has_no_labels_and_long_lines_are_thinned():
    long = np.arange(10_000.0)
    svg = str(Drawing()(Spark("wood", [Series("oir", 0, long, long / 10_000)])))
    assert texts(svg) == ["wood", "oir: 1 at 10k"] and len(svg) < 8000
    assert len(thinned(10_000)) == 160 and thinned(10_000)[-1] == 9_999 and list(thinned(2)) == [0, 1]


def test_a_chart_without_data_says_so():
    assert Chart("t", [Series("a", 0, np.zeros(0), np.zeros(0))], "x", "y").empty and not chart().empty
