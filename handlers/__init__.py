"""How people and programs are told: one file for each handler type, found by listing this folder."""
