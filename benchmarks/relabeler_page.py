"""Writes the tables of docs/experiments/relabeler.md from their result files.

python benchmarks/relabeler_page.py
"""

import json
from pathlib import Path

import grounding
import relabel_latency
import relabel_noise

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "experiments" / "relabeler.md"


def main() -> None:
    """Write what stands between the page's marks."""
    for study in (grounding, relabel_noise, relabel_latency):
        name = study.__name__
        result = json.loads((ROOT / "results" / f"{name}.json").read_text("utf-8"))
        grounding.write_between(PAGE, name, study.table(result))


if __name__ == "__main__":
    main()
