"""Shipped worlds and readers by name, model cards and the self-check."""
