"""Fixtures that several test files use, and what keeps a run of all tests small."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.encoder import default_cache_dir

# Programs that a test compiles are kept where training keeps its own: both workers and the next run load them.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(default_cache_dir() / "xla"))
# TRL tells the hub of each trainer in a thread. Looking up the host there while the main thread changes the environment
# has crashed a test process.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

ROOM = 1500
"""MiB that a test process may hold between two tests before it drops its compiled programs."""
GROWTH = 256
"""MiB by which it may grow before memory is handed back."""


def resident() -> int:
    """MiB of memory that this process holds; 0 where the system has no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except OSError:
        return 0


def hand_back() -> None:
    """Free what is unreachable, and give freed memory to the system: glibc keeps what a compilation used."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


class _Settled:
    """How much this process held when memory was last handed back."""

    size = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Between two tests: hand memory back where the process grew, drop compiled programs where that is not enough."""
    yield
    if resident() < _Settled.size + GROWTH:
        return
    hand_back()
    if resident() > ROOM and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        hand_back()
    _Settled.size = resident()


# Files that train the agent with one configuration: a process that runs them all compiles it once.
TOGETHER = ("test_train.py", "test_resume.py", "test_llm_train.py", "test_iteration.py", "test_sharding.py")
# Files that take most of the time of the rest. They begin first, so that no worker is left alone with one at the end.
LONG = (
    "test_compose.py",
    "test_compose_output.py",
    "test_docs.py",
    "test_notebooks.py",
    "test_trl_processes.py",
    "test_trl_train.py",
    "test_lm_train.py",
    "test_full_game.py",
    "test_world.py",
    "test_film.py",
    "test_rollout.py",
    "test_trials.py",
    "test_gpu_scripts.py",
    "test_trainer.py",
    "test_trl.py",
    "test_trl_buffer.py",
    "test_attention.py",
    "test_constraints_properties.py",
)
ORDER = {name: place for place, name in enumerate((*TOGETHER, *LONG))}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.get(item.path.name, len(ORDER)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile` in the order above, and the files that belong together as one."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "together" if Path(file).name in TOGETHER else file

    config.option.loadscopereorder = False  # else the files with the most tests would begin, which are short ones
    return ByFile(config, log)


def shared_folder() -> Path | None:
    """Public benchmark data kept outside the checkout: $HINDSIGHT_SHARED, or `../shared` beside it."""
    named = os.environ.get("HINDSIGHT_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with ifeval/, ifbench/, muldimif/ and nltk_data/; skips where it is absent."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("public benchmark data is absent: set HINDSIGHT_SHARED to a folder with data/ in it")
    return folder / "data"


@pytest.fixture(scope="module", autouse=True)
def _language_data_is_looked_for_anew():
    """What one module's tests found of NLTK's data, or did not find, is not what the next one's see."""
    from hindsight_rl.constraints.text import lexicon

    lexicon.stop_words.cache_clear()
    lexicon._tagger.cache_clear()


@pytest.fixture(scope="session")
def real_encoder():
    """The published sentence encoder; its embeddings come from the user's cache after the first run."""
    pytest.importorskip("sentence_transformers")
    from hindsight_rl.encoder import load_encoder

    return load_encoder()


@pytest.fixture(scope="session")
def real_reward(real_encoder):
    """The calibrated semantic reward of Craftax-Classic."""
    from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
    from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
    from hindsight_rl.agent.reward.semantic import SemanticReward

    return SemanticReward.fit(real_encoder, CLASSIC_EVENTS, LANGUAGE)
