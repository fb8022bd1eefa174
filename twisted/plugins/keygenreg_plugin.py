"""Tells twistd of the ``keygenreg`` service; imports nothing that would install a reactor."""

from twisted.application.service import ServiceMaker

keygenreg = ServiceMaker("keygenreg", "keygenreg.tap", "A registry that distributes licensed software.", "keygenreg")
