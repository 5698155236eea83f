"""Load balancers that really forward: listeners on this machine's loopback address, target groups that are checked."""
