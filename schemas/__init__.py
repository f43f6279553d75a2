"""What travels: the shapes that pass between vendors, the store, handlers and people. Pure."""
