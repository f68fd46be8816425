"""`python -m farebox` is the `farebox` command. May import farebox.cli."""

from __future__ import annotations

from farebox.cli import main

if __name__ == "__main__":
    main()
