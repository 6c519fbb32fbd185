"""Resource Gathering: a grid on which every user wants one tile visited (paper, section 4.1)."""


def name_of_owner(row: int, column: int) -> str:
    """The name of the user who owns a tile, by which reports and studies find the tile again."""
    return f"tile-{row}-{column}"
