"""
The taxonomy of tasks (S22), and a cheap guess which of them a request is: declared beats words beats this.

The guess looks at the first and the last words of what the user asks, and at what the request brings along (tools,
documents). It says nothing rather than something doubtful. A guess can only pick a row that the file declares; it
raises labels as a declared task does, and lowers none.
"""

from localfleet.core.ask import Ask, Need
from localfleet.core.routing.parts import Parts

__all__ = ["KINDS", "kind_of"]

CUES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("summarisation", ("summarise", "summarize", "summary of", "tl;dr", "key points", "in short:")),
    ("translation", ("translate", "translation of", "into english", "into german", "into french", "into spanish")),
    ("entity-extraction", ("extract all names", "extract the names", "named entities", "extract entities")),
    ("extraction", ("extract", "pull out", "list every", "find all the")),
    ("moderation", ("is this text toxic", "moderate", "violates our policy", "hate speech", "content policy")),
    ("classification", ("classify", "categorise", "categorize", "which category", "label this", "sentiment of")),
    ("intent", ("what is the intent", "detect the intent", "user intent", "intent of")),
    (
        "formatting",
        ("format this", "reformat", "convert this to", "as a table", "as json", "as csv"),
    ),
    (
        "code-generation",
        ("write a function", "write code", "implement", "refactor", "unit test", "fix this", "```"),
    ),
    ("planning", ("make a plan", "step by step plan", "roadmap", "project plan", "itinerary")),
    ("creative", ("write a poem", "write a story", "write a song", "slogan", "brainstorm", "in the style of")),
    ("critical-decision", ("should we", "legal advice", "diagnos", "risk assessment", "investment decision")),
    ("complex-query", ("prove", "derive", "analyse", "analyze", "compare and contrast", "trade-offs", "explain why")),
    ("generation", ("write", "draft", "compose", "generate")),
)
"""Cues of each kind, the most telling kinds first; lower case."""
BROUGHT_ALONG = ("rag-answer", "tool-use", "batch-enrichment")
KINDS = (*(kind for kind, _ in CUES), *BROUGHT_ALONG)
HEAD, TAIL = 300, 200
"""Characters at either end of what the user says where an instruction stands."""


def kind_of(ask: Ask, parts: Parts, text: str) -> str | None:
    """Which kind of task this looks like; `None` where nothing tells."""
    said = (text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}").casefold()
    told = next((kind for kind, cues in CUES if any(cue in said for cue in cues)), None)
    if told is not None:
        return told
    if parts.documents:
        return "rag-answer"
    return "tool-use" if Need.TOOLS in ask.needs else None
