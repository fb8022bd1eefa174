"""Images that real clients unpack: layers are tar archives, configurations name them."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.engines.oci.layouts import Layout, as_json, gz, platform, tar_of


def layer_of(files: dict[str, bytes]) -> tuple[bytes, str]:
    """A compressed layer and its diff id."""
    plain = tar_of(list(files.items()))
    return gz(plain), "sha256:" + hashlib.sha256(plain).hexdigest()


def add_image(layout: Layout, architecture: str, *layers: dict[str, bytes], **more: Any) -> dict[str, Any]:
    """An image of files for one architecture; its descriptor, with its platform."""
    made = [layer_of(files) for files in layers]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in made]},
        "history": [{"created_by": "tests"} for _ in made],
    }
    return layout.image(*(layer for layer, _ in made), config=as_json(config), **platform(architecture), **more)


def real_image(text: bytes = b"hello", *, extra: bytes = b"") -> Layout:
    """An index for amd64 and arm64 that share a layer."""
    layout = Layout()
    shared = {"shared": b"the same everywhere" + extra}
    images = [add_image(layout, name, shared, {"hello": text + name.encode()}) for name in ("amd64", "arm64")]
    return layout.add(layout.index(*images))
