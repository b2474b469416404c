"""Seeds: confident partial labels from class activation maps, a module a method.

Every function takes the cam at image resolution, (K, H, W) float32 in [0, 1] with one map per
present class, and returns (H, W) uint8 labels: 0 background, 1..C class, IGNORE where unsure.
An image without classes (K = 0) is background throughout.
"""
