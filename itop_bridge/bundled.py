"""Where the data that travels with the package lies: factories, formats, the sample configuration."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def bundled_folder(name: str) -> Path:
    """The folder `name` ("factories", "config", "systemd"): inside an installed wheel, else the checkout's."""
    installed = _PACKAGE / "_bundled" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
