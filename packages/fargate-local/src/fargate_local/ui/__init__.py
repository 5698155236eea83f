"""The page under ``/_fargate/ui``: what runs here, its logs, and faults by click."""
