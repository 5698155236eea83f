"""The life of tasks: what happens after RunTask has answered."""
