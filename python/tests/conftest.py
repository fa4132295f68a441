from hypothesis import settings

# No deadline: other work shares the machine. No database: a test run leaves nothing behind.
settings.register_profile("rayferry", deadline=None, database=None, max_examples=100)
settings.load_profile("rayferry")
