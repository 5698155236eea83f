"""`@task.fargate`: one ECS Fargate task per Airflow task, launched once, never lost, explained.

decorator → operator → lifecycle → launch, wait, results, logs, audit → sizes, classify, budget, tokens (pure)
"""
