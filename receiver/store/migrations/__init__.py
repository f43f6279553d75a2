"""Migrations, run by `receiver/store/schema.py`. Each is final once released; a change is a new file."""
