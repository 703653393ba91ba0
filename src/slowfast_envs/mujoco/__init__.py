"""MuJoCo as a camera, for the robots of `metaworld` and `kitchen`."""
