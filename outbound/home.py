"""The data folder of the embedded default: where it is, and the secrets made for it on first use."""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet

from outbound.env import env_secret, env_text


def home_folder(base: Path) -> Path:
    """OUTBOUND_HOME, made if it is not there, readable by its owner alone."""
    folder = Path(env_text("OUTBOUND_HOME", str(base / "var"))).resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def secret(name: str, *, home: Path, make=lambda: secrets.token_urlsafe(48)) -> str:
    """The environment's value, else one made once and kept in the data folder."""
    return env_secret(name) or _kept(home / name.lower(), make)


def field_keys(home: Path) -> list[str]:
    """FIELD_ENCRYPTION_KEYS, newest first: the first encrypts, all decrypt."""
    return [key.strip() for key in secret("FIELD_ENCRYPTION_KEYS", home=home, make=_new_key).split(",")]


def _new_key() -> str:
    return Fernet.generate_key().decode()


def _kept(path: Path, make) -> str:
    """Read the file; make it when absent. Written whole under another name and linked, so two first starts agree."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
