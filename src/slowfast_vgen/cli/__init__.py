"""The command `slowfast`: thin handlers over the rest of the package."""
