"""RunTask: the request, where it goes, how often it is retried, and what is stored of it."""
