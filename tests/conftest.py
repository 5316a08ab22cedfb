"""Fixtures that several test files use."""

import os
from pathlib import Path

import pytest


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
    from hindsight_rl.agent.reward.semantic import SemanticReward

    return SemanticReward.fit(real_encoder)
