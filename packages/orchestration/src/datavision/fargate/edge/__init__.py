"""The calls to AWS: clients, ECS tasks, logs, JSON objects, and how often they may be made."""
