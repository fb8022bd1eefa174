"""Admission: which account and environment a request means, who is asking, and whether they may."""
