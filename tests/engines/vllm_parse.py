"""
Runs in the Python that has vLLM: reads argument lists (JSON on stdin), lets vLLM's own parser judge each, writes what
it says of each (JSON on stdout): nothing for a good one.
"""

import contextlib
import io
import json
import sys

from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.exceptions import VLLMValidationError
from vllm.utils.argparse_utils import FlexibleArgumentParser


def judged(args: list[str]) -> str:
    """The parser's complaint, empty where it has none."""
    parser = make_arg_parser(FlexibleArgumentParser())
    heard = io.StringIO()
    with contextlib.redirect_stderr(heard):
        try:
            validate_parsed_serve_args(parser.parse_args(args))
        except SystemExit:
            return heard.getvalue().strip().splitlines()[-1]
        except (ValueError, TypeError, KeyError, VLLMValidationError) as exc:
            return str(exc)
    return ""


json.dump([judged(args) for args in json.load(sys.stdin)], sys.stdout)
