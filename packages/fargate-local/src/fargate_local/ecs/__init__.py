"""The ECS API: requests checked, answered and refused as ECS does."""
