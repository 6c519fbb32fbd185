"""What is written on a film: which policy, how fast, and how fast its users want it to be."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from handful.palette import policy_colour
from handful.types import NumpyArray

_INK = "#222222"
_MARGIN = 0.03
"""Of the width, as are all other lengths here."""


@dataclass(frozen=True, eq=False)
class Caption:
    """What stays the same throughout a policy's film.

    Attributes:
        policy: its number.
        targets: velocities that its users want, m/s; may be none.
        top_speed: the right end of the scale, m/s.
    """

    policy: int
    targets: NumpyArray
    top_speed: float

    @property
    def title(self) -> str:
        """``policy 3, for 20 users who want 1.20 m/s on average``."""
        if not len(self.targets):
            return f"policy {self.policy}, for nobody"
        users = (
            "1 user who wants" if len(self.targets) == 1 else f"{len(self.targets)} users who want"
        )
        mean = f"{self.targets.mean():.2f} m/s"
        average = "" if len(self.targets) == 1 else " on average"
        return f"policy {self.policy}, for {users} {mean}{average}"

    def write(self, picture: NumpyArray, velocity: float) -> Image.Image:
        """A picture [height, width, 3] with the title and the velocity (m/s) on it.

        A scale at the bottom has a tick for each target and a pointer at the velocity.
        """
        image = Image.fromarray(np.ascontiguousarray(picture))
        draw = ImageDraw.Draw(image)
        unit = image.width / 480
        margin, colour = _MARGIN * image.width, policy_colour(self.policy)
        font = ImageFont.load_default(15 * unit)
        draw.rectangle((margin, margin, margin + 15 * unit, margin + 15 * unit), fill=colour)
        draw.text((margin + 22 * unit, margin - 2 * unit), self.title, fill=_INK, font=font)
        self._draw_scale(draw, image.size, velocity, colour)
        return image

    def _draw_scale(
        self, draw: ImageDraw.ImageDraw, size: tuple[int, int], velocity: float, colour: str
    ) -> None:
        width, height = size
        unit = width / 480
        left, right, y = 3 * _MARGIN * width, width - 3 * _MARGIN * width, height - 26 * unit
        font = ImageFont.load_default(13 * unit)

        def x(speed: float) -> float:
            share = min(max(speed / self.top_speed, 0.0), 1.0)
            return left + share * (right - left)

        draw.line((left, y, right, y), fill=_INK, width=round(1.5 * unit))
        for target in self.targets:
            draw.line((x(target), y - 5 * unit, x(target), y), fill=colour, width=round(unit))
        for speed in (0.0, self.top_speed):
            draw.text((x(speed), y + 4 * unit), f"{speed:g}", fill=_INK, font=font, anchor="mt")
        tip, half = x(velocity), 6 * unit
        corners = [(tip, y - 5 * unit), (tip - half, y - 15 * unit), (tip + half, y - 15 * unit)]
        draw.polygon(corners, fill=colour)
        label = f"{velocity:.2f} m/s"
        draw.text((tip, y - 18 * unit), label, fill=_INK, font=font, anchor="mb")
