"""The `datavision` command: `app` puts it together, each other module holds one sub-command."""
