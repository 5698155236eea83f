"""The container's command: `python /app/ingesta/ingesta_datavision.py --env E`."""

import sys

from ingesta.cli import main

if __name__ == "__main__":
    sys.exit(main())
