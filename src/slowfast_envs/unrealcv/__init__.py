"""Whatever level a running UnrealCV server shows."""
