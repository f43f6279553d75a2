"""The program: web, work, store, command line and simulator."""
