"""Text sketches: what is kept of a prompt when the prompt is not. Arrays in, arrays out; no table, no driver."""

from stillwatch.sketches.batch import SKETCH_SCHEMA, SKETCH_VERSION, sketch_prompts
from stillwatch.sketches.hashing import TEXT_DOMAIN, hash_text, hash_texts, record_keys
from stillwatch.sketches.tokens import prompt_capability, prompt_tokens, text_tokens

__all__ = [
    "SKETCH_SCHEMA",
    "SKETCH_VERSION",
    "TEXT_DOMAIN",
    "hash_text",
    "hash_texts",
    "prompt_capability",
    "prompt_tokens",
    "record_keys",
    "sketch_prompts",
    "text_tokens",
]
