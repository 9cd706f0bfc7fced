"""The hub's parquet shards of ILSVRC/imagenet-1k: columns image {bytes, path} and label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError


class Shards:
    """Rows of parquet files, read a row group at a time; reading in ascending order is quick."""

    def __init__(self, paths: Sequence[Path]):
        """Read labels and names; image bytes stay on disk.

        Raises:
            ClaimsError: pyarrow is not installed, or a shard is damaged or has other columns.
        """
        self.paths = paths
        self.labels: list[int] = []
        self.names: list[str] = []
        self.groups: list[tuple[int, int, int]] = []
        """(first row of all, shard, row group), ascending."""
        self.files = [self.open(path) for path in paths]
        self.held: tuple[int, list[bytes]] = (-1, [])
        for shard, (path, file) in enumerate(zip(paths, self.files, strict=True)):
            for group in range(file.num_row_groups):
                self.groups.append((len(self.labels), shard, group))
                table = self.table(path, file, group, ["label", "image.path"])
                labels = table["label"].to_pylist()
                if not all(label is None or isinstance(label, int) for label in labels):
                    raise ClaimsError(
                        f"{path}: expected class numbers in the column label, found {table['label'].type}; use the"
                        " shards of ILSVRC/imagenet-1k"
                    )
                self.labels += [-1 if label is None else label for label in labels]
                self.names += [str((image or {}).get("path")) for image in table["image"].to_pylist()]

    def open(self, path: Path) -> Any:
        """Open one shard."""
        try:
            from pyarrow.parquet import ParquetFile  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise ClaimsError(
                f"{path}: expected pyarrow to read parquet shards, found it not installed; pip install"
                " 'vit-claims[data]', or use another form of the dataset"
            ) from None
        try:
            return ParquetFile(path)
        except (OSError, ValueError) as error:
            raise self.broken(path, error) from None

    def table(self, path: Path, file: Any, group: int, columns: list[str]) -> Any:
        """Return columns of one row group."""
        try:
            table = file.read_row_group(group, columns=columns)
        except (OSError, ValueError) as error:
            raise self.broken(path, error) from None
        missing = {column.partition(".")[0] for column in columns} - set(table.column_names)
        if missing:
            raise ClaimsError(
                f"{path}: expected the columns image and label, found {', '.join(file.schema_arrow.names) or 'none'};"
                " use the shards of ILSVRC/imagenet-1k"
            )
        return table

    def broken(self, path: Path, error: Exception) -> ClaimsError:
        """Return the error for a shard that can't be read."""
        return ClaimsError(f"{path}: expected a parquet shard, found: {str(error).splitlines()[0]}; fetch it again")

    def read(self, row: int) -> bytes:
        """Return the encoded image of one row, counted over all shards."""
        place = next(i for i in reversed(range(len(self.groups))) if self.groups[i][0] <= row)
        first, shard, group = self.groups[place]
        if self.held[0] != place:
            table = self.table(self.paths[shard], self.files[shard], group, ["image.bytes"])
            self.held = (place, [(image or {}).get("bytes") or b"" for image in table["image"].to_pylist()])
        content = self.held[1][row - first]
        if not content:
            raise ClaimsError(
                f"{self.paths[shard]}: row {row - first}: expected image bytes, found none; fetch it again"
            )
        return content
