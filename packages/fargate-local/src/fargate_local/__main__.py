"""`python -m fargate_local`."""

from fargate_local.cli import main

main()
