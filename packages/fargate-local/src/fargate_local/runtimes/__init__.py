"""How a container is really run: as processes of this machine, or by podman or docker."""
