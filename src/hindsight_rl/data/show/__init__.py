"""A summary of a file of training rows: counts, lengths, conflicts, overlaps, examples.

from hindsight_rl.data.show import ShowConfig, survey

found = survey(ShowConfig("train.jsonl"))
found.rows, found.ids.most_common(3), found.conflicts
"""

from hindsight_rl.data.show.config import ShowConfig
from hindsight_rl.data.show.survey import Survey, survey

__all__ = ["ShowConfig", "Survey", "survey"]
