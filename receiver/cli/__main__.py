"""`python -m receiver.cli` is `clipbell`."""

from receiver.cli import main

if __name__ == "__main__":
    main()
