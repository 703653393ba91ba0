"""Everybody else's recorded data, read into our episodes: one file a source. See docs/howto/bring-your-data.md."""
