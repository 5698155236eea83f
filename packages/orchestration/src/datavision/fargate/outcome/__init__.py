"""What became of a container: its class, the text a person reads, the result, the record, the cost."""
