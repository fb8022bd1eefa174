"""All endpoints of the JSON:API, collected from the resource types."""

from __future__ import annotations

from keygenreg.management.resources import (
    artifact_writing,
    artifacts,
    constraints,
    derived,
    downloads,
    packages,
    products,
    release_packages,
    release_writing,
    releases,
    upgrades,
)

ALL_ROUTES = (
    products.ROUTES
    + packages.ROUTES
    + derived.ROUTES
    + releases.ROUTES
    + release_writing.ROUTES
    + release_packages.ROUTES
    + constraints.ROUTES
    + upgrades.ROUTES
    + artifacts.ROUTES
    + artifact_writing.ROUTES
    + downloads.ROUTES
)
