"""Environment files (developer guide, "Pass environment variables to an Amazon ECS container", read November 2026)."""


def variables_of(text: str) -> dict[str, str]:
    """Return the variables of a file with one `NAME=value` per line; quotes and spaces are part of the value.

    Comments, lines without `=` and names with spaces are skipped; of two lines with the same name the first one wins.
    """
    variables: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name and not name.startswith("#") and not any(character.isspace() for character in name):
            variables.setdefault(name, value)
    return variables
