"""The policy set as a frozen value: everything configurable, dated, digested, immutable once published."""
