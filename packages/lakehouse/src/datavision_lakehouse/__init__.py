"""Opens the DuckLake lakehouse of an environment."""
