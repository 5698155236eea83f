"""The DataVision page in Airflow's UI: releases, runs and costs, and the way back. Airflow finds it."""
