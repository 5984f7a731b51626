"""
A CrewAI crew through localfleet: `python examples/crewai_crew.py [BASE_URL]`.

Needs `pip install crewai`, and a router (`./scripts/up`). `openai/` before the model's name tells CrewAI which protocol
to speak; the rest is a name that the router knows. CrewAI's own telemetry is switched off first: what stays on the box
with the router should not leave with the framework.
"""

import os
import sys

os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OTEL_SDK_DISABLED", "true")

from crewai import LLM, Agent, Crew, Task  # after its telemetry was switched off

BASE_URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1"


def main() -> None:
    """One agent, one task."""
    llm = LLM(model="openai/auto", base_url=BASE_URL, api_key="unused", temperature=0)
    geographer = Agent(role="Geographer", goal="Answer", backstory="You know capitals.", llm=llm, max_iter=2)
    task = Task(description="What is the capital of France?", expected_output="One sentence.", agent=geographer)
    print("crew:", Crew(agents=[geographer], tasks=[task]).kickoff())


if __name__ == "__main__":
    main()
