"""The web application: callbacks, API, health; and the server that runs it."""
