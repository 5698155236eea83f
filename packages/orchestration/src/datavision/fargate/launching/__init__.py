"""RunTask: the request, where it goes, how often it is repeated, and what is kept of it."""
