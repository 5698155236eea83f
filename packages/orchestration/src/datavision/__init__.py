"""The Airflow provider, pins, releases and the datavision command."""
