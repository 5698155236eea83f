"""The container's command: `python /app/ingesta/ingesta_datavision.py --env E`."""

from ingesta.cli import main

if __name__ == "__main__":
    main()
