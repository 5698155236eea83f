"""The calls to AWS: clients, ECS tasks, logs, JSON objects, and how fast they may be made."""
