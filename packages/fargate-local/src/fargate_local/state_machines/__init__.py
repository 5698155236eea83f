"""Executions of the state machines of Step Functions."""
