"""Adapters that read recorded data of other formats into episodes. See docs/howto/bring-your-data.md."""
