"""An ECS that really runs your tasks, in front of moto."""
