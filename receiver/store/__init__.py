"""The durable memory. `protocol.py` says what it promises; `opening.py` opens it, and loads what that takes."""
