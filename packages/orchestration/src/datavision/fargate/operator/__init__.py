"""Airflow's side, and the only part that imports it: decorator, operator, triggers, retries, links."""
