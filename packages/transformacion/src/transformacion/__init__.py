"""The dbt project over the lakehouse, and the RFM report."""
