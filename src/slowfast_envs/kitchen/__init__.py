"""The FrankaKitchen of Gymnasium-Robotics: fixtures that an arm opens, turns and moves."""
