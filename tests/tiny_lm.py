"""A tiny causal language model with a word tokenizer, as files; and instructions that it half fulfils by chance."""

from __future__ import annotations

from pathlib import Path

from hindsight_rl.constraints.core import constraint
from hindsight_rl.replay.instruction import Instruction

WORDS = ["red", "gold", "blue", "moon", "tree", "bird", "rain", "song"]
TOLD = "Write a line . Include the following keywords words in your response : user assistant [ ] , '"
TEMPLATE = "{% for message in messages %}{{ message.role }} : {{ message.content }} {% endfor %}assistant :"


def tiny_model(folder: Path, template: str | None = TEMPLATE, seed: int = 0, kind: str = "qwen3") -> str:
    """Write a random model of a few thousand weights and its tokenizer; returns the path."""
    import tokenizers
    import torch
    import transformers

    names = ["<pad>", "<eos>", "<unk>", *WORDS, *sorted(set(TOLD.split()))]
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel({name: at for at, name in enumerate(names)}, "<unk>"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    shape = {
        "vocab_size": len(names),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": None,
    }
    torch.manual_seed(seed)
    if kind == "llama":
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape))
    else:
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(head_dim=16, **shape))
    model.save_pretrained(folder)
    return str(folder)


def asked(count: int = 8, *, hopeless: bool = True, easy: bool = False) -> list[Instruction]:
    """Instructions that ask for one word that the model says by chance and, if hopeless, one that it cannot say."""
    made = []
    for index in range(count):
        words = [WORDS[index % len(WORDS)], WORDS[(index + 3) % len(WORDS)]]
        wanted = [constraint("punctuation:no_comma")] if easy else []
        wanted += [] if easy else [constraint("keywords:existence", {"keywords": [word]}) for word in words]
        wanted += [constraint("keywords:existence", {"keywords": ["unsayable"]})] if hopeless else []
        made.append(Instruction("Write a line .", tuple(wanted), key=index))
    return made
