"""A container that serves the steps of several Airflow tasks, one process each, until the last is done.

server → step → inbox, child, log_stream, share → messages. What it is told and what it answers are objects in S3, so it
needs nothing that a container of one task does not have.
"""
