"""The language of Craftax, read from `phrases.toml`. It serves both games; phrasings are looked up by event."""

from importlib.resources import files

from hindsight_rl.agent.instructions.language import Language

LANGUAGE = Language.read(files("hindsight_rl.agent.envs.craftax").joinpath("phrases.toml"))
"""How people name the events of Craftax-Classic and of the full game."""
