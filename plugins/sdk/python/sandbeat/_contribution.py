"""What one `collect` adds to the report."""

from ._metrics import Entry, Point


class Contribution:
    """The points and metadata of one `collect`; `None` among them adds nothing."""

    points: list[Point]
    """At most 1,000; a name with the same attributes only once."""
    metadata: list[Entry]
    """At most 64; no key twice."""

    def __init__(self, *parts: Point | Entry | None) -> None:
        self.points = []
        self.metadata = []
        self.add(*parts)

    def add(self, *parts: Point | Entry | None) -> None:
        """Adds what is not `None`."""
        for part in parts:
            if isinstance(part, Point):
                self.points.append(part)
            elif isinstance(part, Entry):
                self.metadata.append(part)
            elif part is not None:
                raise TypeError(f"a contribution is made of points and metadata, not of {part!r}")

    def __repr__(self) -> str:
        return f"Contribution{(*self.points, *self.metadata)}"
