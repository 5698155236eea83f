"""What every Describe and List action asks of its request."""

from collections.abc import Sequence

from fargate_local.protocol.errors import InvalidParameterError


def check_described(what: str, wanted: Sequence[str], most: int) -> None:
    """Check that a Describe names some, and not too many.

    Raises:
        InvalidParameterError: It does not.
    """
    if not wanted:
        message = f"{what} cannot be empty."
        raise InvalidParameterError(message)
    if len(wanted) > most:
        message = f"{what} can have at most {most} items."
        raise InvalidParameterError(message)


def check_page_size(size: int, most: int) -> None:
    """Check the `maxResults` of a List.

    Raises:
        InvalidParameterError: It is out of range.
    """
    if not 1 <= size <= most:
        message = f"maxResults must be between 1 and {most}."
        raise InvalidParameterError(message)
