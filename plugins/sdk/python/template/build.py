"""Builds {{name}}.wasm out of collector.py and what it imports: `uv run build.py`."""

import os
import sys
from pathlib import Path

import componentize_py

PROJECT = Path(__file__).resolve().parent
COMPONENT = "{{name}}.wasm"


def main() -> None:
    os.chdir(PROJECT)
    # The builder's own calls say nothing about the collector.
    os.environ["RUST_BACKTRACE"] = "0"
    sys.argv = ["componentize-py", "--quiet", "--wit-path", "wit", "--world", "collector"]
    sys.argv += ["componentize", "collector", "--python-path", ".", "--output", COMPONENT]
    try:
        componentize_py.script()
    except AssertionError as error:
        said, _, _ = str(error).partition("\n\n\nCaused by:")
        sys.exit(f"{COMPONENT} was not built: {said}")
    print(f"{COMPONENT}: {os.path.getsize(COMPONENT) / 1_000_000:.1f} MB")


if __name__ == "__main__":
    main()
