"""Triage: what a signal means (classify), how bad it is (severity), whose it is (ownership), what it is like
(fingerprint) (§5, §7).
"""
