"""The sandbox's tasks, by name."""

from typing import Literal

from hindsight_rl.lm.sandbox.rooms_task import ROOMS_TASK
from hindsight_rl.lm.sandbox.task import Task
from hindsight_rl.lm.sandbox.words_task import WORDS

TaskName = Literal["words", "rooms"]
TASKS: dict[TaskName, Task] = {"words": WORDS, "rooms": ROOMS_TASK}
