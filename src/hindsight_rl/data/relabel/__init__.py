"""Makes hindsight training rows from prompts with constraints and any model's responses to them.

from hindsight_rl.data.relabel import RelabelConfig, relabel

counts = relabel(RelabelConfig("responses.jsonl", prompts="prompts.jsonl", format="kto", out=Path("kto.jsonl")))
counts.written, counts.rejected
"""

from hindsight_rl.data.relabel.config import RelabelConfig
from hindsight_rl.data.relabel.counts import Counts
from hindsight_rl.data.relabel.relabeling import relabel

__all__ = ["Counts", "RelabelConfig", "relabel"]
