"""Poses from motions, and addresses from poses, under which a memory keeps what is seen from there."""
