"""The life of tasks: everything that happens after RunTask has answered."""
