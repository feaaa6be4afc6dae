"""Starts MiniStack in this process, with our extensions."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import extensions  # noqa: E402
from ministack import app  # noqa: E402

if __name__ == "__main__":
    extensions.install()
    app.main()
