"""Resource Gathering: a grid on which every user wants one tile visited (paper, section 4.1)."""


def name_of_owner(row: int, column: int) -> str:
    """Return the name of the user who owns a tile; reports and studies find the tile by it."""
    return f"tile-{row}-{column}"
