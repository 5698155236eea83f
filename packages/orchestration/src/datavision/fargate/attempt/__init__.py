"""One task instance from its first launch to its result: decides what comes next, independent of Airflow."""
