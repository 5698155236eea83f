"""What a laptop has instead of AWS: the source, the embedded cloud and Airflow, all on 127.0.0.1.

Installed by the extra `datavision-orchestration[local]`; the Airflow image does not need it.
"""
