"""The HTTP side: validates, publishes, serves the read model. `routes.py` is the whole surface on one screen."""
