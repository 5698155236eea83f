"""How a container ended: its class, the text a person reads, the result, the record, the cost."""
