from effort import rounds
from hypothesis import settings

# No deadline: other work shares the machine. No database: a test run leaves nothing behind.
settings.register_profile("rayferry", deadline=None, database=None, max_examples=rounds(100, brief=30))
settings.load_profile("rayferry")
