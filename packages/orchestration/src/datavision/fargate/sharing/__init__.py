"""Containers that the tasks of one module share: who launched which, what is in their inboxes, how a step ended."""
