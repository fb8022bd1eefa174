"""All endpoints of the JSON:API, collected from the resource types."""

from __future__ import annotations

from keygenreg.management.resources import derived, packages, products

ALL_ROUTES = products.ROUTES + packages.ROUTES + derived.ROUTES
