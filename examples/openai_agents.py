"""
OpenAI's Agents SDK through localfleet: `python examples/openai_agents.py [BASE_URL]`.

Needs `pip install openai-agents`, and a router (`./scripts/up`). Its tracing sends prompts to OpenAI unless it is
switched off, as it is here.
"""

import asyncio
import sys

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

BASE_URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1"


@function_tool
def capital_of(country: str) -> str:
    """The capital of a country."""
    return {"france": "Paris", "italy": "Rome"}.get(country.strip().lower(), "Paris")


async def main() -> None:
    """An agent that must call its tool, and then says what it found."""
    set_tracing_disabled(disabled=True)
    client = AsyncOpenAI(base_url=BASE_URL, api_key="unused")
    agent = Agent(
        name="Geographer",
        instructions="Answer in one sentence.",
        model=OpenAIChatCompletionsModel("auto", client),
        model_settings=ModelSettings(tool_choice="required", temperature=0),
        tools=[capital_of],
    )
    result = await Runner.run(agent, "What is the capital of France?", max_turns=4)
    print("agent:", result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
