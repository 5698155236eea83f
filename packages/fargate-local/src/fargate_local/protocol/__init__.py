"""The words of ECS: names, errors, reasons, shapes and plans. Every other room may import it; it imports none."""
