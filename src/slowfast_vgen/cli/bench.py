"""`slowfast bench`: how fast a world is on this machine."""
import argparse
def register(subparsers): pass
