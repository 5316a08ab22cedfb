"""Makes training rows from any prompts and verifiable constraints. Each row has a response that proves it feasible.

from hindsight_rl.data.compose import ComposeConfig, compose

made = compose(ComposeConfig(rows=100, length="short"))
made.train[0].prompt, made.train[0].ids, made.train[0].witness
"""

from hindsight_rl.data.compose.composer import Composed, compose
from hindsight_rl.data.compose.config import ComposeConfig
from hindsight_rl.data.compose.row import Row

__all__ = ["ComposeConfig", "Composed", "Row", "compose"]
