"""The vocabulary of ECS: names, errors, reasons, shapes and plans. It imports no other package here."""
