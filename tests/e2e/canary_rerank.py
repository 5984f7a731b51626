"""Every place of a reranking request in which words can stand."""

from canary_fields import Field, Fragment, Json, fields_of, words
from canary_openai import COMMON

__all__ = ["BASE", "FIELDS", "OTHER"]

BASE: Json = {"query": "The capital of France", "documents": ["The town lies on a river.", "Bread is baked at night."]}
OTHER = "The town lies on a river."

RERANK: dict[str, Fragment] = {
    "query": lambda c: {"query": words(c)},
    "query as object": lambda c: {"query": {"text": words(c)}},
    "document": lambda c: {"documents": [OTHER, words(c)]},
    "document object": lambda c: {"documents": [{"text": words(c)}, OTHER]},
    "document, all of both kinds": lambda c: {"documents": [words(c), {"text": words(c)}, OTHER]},
    "document field, other": lambda c: {"documents": [{"text": OTHER, "note": words(c)}]},
    "document field, deep": lambda c: {"documents": [{"text": OTHER, "metadata": {"pages": [words(c)]}}]},
    "document field, key": lambda c: {"documents": [{"text": OTHER, c: 1}]},
    "document without text": lambda c: {"documents": [{"title": words(c)}]},
    "document in parts": lambda c: {"documents": [{"content": [{"type": "text", "text": words(c)}]}]},
    "document of a picture": lambda c: {"documents": [{"image": f"https://example.org/{c}.png"}]},
    "documents as text": lambda c: {"documents": words(c)},
    "documents, deep": lambda c: {"documents": [["a"], [words(c)]]},
    "rank fields": lambda c: {"rank_fields": ["text", c]},
    "instruction": lambda c: {"instruction": words(c)},
    "template arguments": lambda c: {"chat_template_kwargs": {"instruction": words(c)}},
    "top n": lambda c: {"top_n": c},
    "return documents": lambda c: {"return_documents": c},
    "most chunks": lambda c: {"max_chunks_per_doc": c},
}

FIELDS: tuple[Field, ...] = fields_of({**RERANK, **COMMON}, answered=("document",))
