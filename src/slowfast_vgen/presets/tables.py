"""The tables that a reader of moves can be trained on; a test compares them with what the engines show."""

from slowfast_vgen.models.table_geometry import TableGeometry

METAWORLD = TableGeometry(
    look_at=(0.0, 0.65, 0.05),
    distance=0.72,
    azimuth=-90.0,
    elevation=-51.0,
    fov=45.0,
    height=0.025,
    low=(-0.28, 0.46),
    high=(0.28, 0.78),
)
"""Table of the environment `metaworld`, seen facing the robot; its right (x) is the picture's left, y comes nearer."""
