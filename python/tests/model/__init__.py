"""A world around the real server: a network, a Postgres and workers in miniature, all in one thread and one clock."""
