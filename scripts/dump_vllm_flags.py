"""
Print what vLLM's own argument parser and environment know, as JSON: options, choices, types, variables. Facts only.

Run by the Python that has vLLM, as `tests/engines/test_vllm_for_real.py` does:

    .vllm/venv/bin/python scripts/dump_vllm_flags.py > tests/engines/data/vllm_0_32_flags.json
"""

import argparse
import json
import sys

from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.envs import environment_variables
from vllm.utils.argparse_utils import FlexibleArgumentParser

RELEASE = "0.32"


def main() -> None:
    """Write one JSON document to stdout."""
    actions = make_arg_parser(FlexibleArgumentParser())._actions  # noqa: SLF001  # argparse has no other list of them
    options = {}
    for action in actions:
        for option in action.option_strings:
            if option.startswith("--"):
                options[option] = {
                    "takes": takes(action),
                    "choices": sorted(map(str, action.choices)) if action.choices else None,
                }
    facts = {"release": RELEASE, "options": options, "environment": sorted(environment_variables)}
    json.dump(facts, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


def takes(action: argparse.Action) -> str:
    """How many values: `nothing`, `one`, `many`."""
    # Typeshed says `nargs` is int, str or None; here only 0 and None matter, all else takes many.
    return {0: "nothing", None: "one"}.get(action.nargs, "many")  # type: ignore[call-overload]  # argparse says str or int


if __name__ == "__main__":
    main()
