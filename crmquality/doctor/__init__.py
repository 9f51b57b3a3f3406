"""What can be wrong with an installation: each check a small function that says what, and how to mend it."""
