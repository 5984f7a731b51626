"""
A LangGraph agent through localfleet: `python examples/langgraph_agent.py [BASE_URL]`.

Needs `pip install langchain langgraph langchain-openai`, and a router (`./scripts/up`). Nothing of the framework
changes but the base URL; the headers are optional. All calls of one run carry one session, so the router keeps the run
together: what was restricted in one call stays restricted in the next.
"""

import sys
import uuid

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

BASE_URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1"


@tool
def capital_of(country: str) -> str:
    """The capital of a country."""
    return {"france": "Paris", "italy": "Rome"}.get(country.strip().lower(), "unknown")


def main() -> None:
    """Ask once, whole and as a stream, then let an agent with a tool work on it."""
    model = ChatOpenAI(
        model="auto",
        base_url=BASE_URL,
        api_key="unused",  # any word while no keys are configured; a key of `localfleet keys create` afterwards
        temperature=0,
        default_headers={"x-localfleet-session": f"run-{uuid.uuid4().hex}", "x-localfleet-task": "lookup"},
    )
    answer = model.invoke("What is the capital of France?")
    print("answer:", answer.content)
    print("stream:", "".join(chunk.text for chunk in model.stream("What is the capital of France?")))
    agent = create_agent(model, [capital_of], system_prompt="Use the tool, then answer in one sentence.")
    state = agent.invoke({"messages": [("user", "What is the capital of France?")]}, {"recursion_limit": 8})
    print("agent:", state["messages"][-1].text)


if __name__ == "__main__":
    main()
