"""Images of a user's own, for tests of `run`."""

from tests.data import making


def write_images(folder, monkeypatch):
    """Write ten classes of images of many sizes to the folder of a user's own tables, and name it in the settings."""
    for number in range(60):
        part = "train" if number < 40 else "test"
        image = making.png(number, 20 + number % 7, 30 + number % 5)
        making.put(folder / "images" / part / f"class{number % 10}" / f"{number:02d}.png", image)
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(folder))
    for name in ("HOME", "DATA", "CACHE"):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(folder.parent / name.lower()))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
