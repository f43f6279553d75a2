"""One file for each vendor, found by listing this folder. README of `schemas/` teaches how to write one."""
