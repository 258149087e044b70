"""Reads policy: YAML with line numbers, JSON Schemas, conditions, templates, durations, digest; and gives the core one
frozen value.

What is wrong is refused with file, line and what would be right, all of it at once; a set is used whole or not at all.
"""

from fallsafe.policyset.load import check, check_files, differences, load, load_files, read_folder
from fallsafe.policyset.problem import PolicyError, Problem
from fallsafe.policyset.published import load_published
from fallsafe.policyset.shipped import shipped, shipped_sets
from fallsafe.policyset.templates import TemplateError

__all__ = [
    "PolicyError",
    "Problem",
    "TemplateError",
    "check",
    "check_files",
    "differences",
    "load",
    "load_files",
    "load_published",
    "read_folder",
    "shipped",
    "shipped_sets",
]
