"""The ECS API: requests checked, answered and rejected as ECS does."""
