"""Recordings heard from the command line: many at once, a page for a person, a picture of one."""
