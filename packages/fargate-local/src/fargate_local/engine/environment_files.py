"""Environment files (developer guide, "Pass environment variables to an Amazon ECS container", read November 2026)."""


def variables_of(text: str) -> dict[str, str]:
    """The variables of a file with one ``NAME=value`` a line; quotes and spaces belong to the value.

    Comments, lines without ``=`` and names with spaces are left out; the first of two lines with one name holds.
    """
    variables: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name and not name.startswith("#") and not any(character.isspace() for character in name):
            variables.setdefault(name, value)
    return variables
