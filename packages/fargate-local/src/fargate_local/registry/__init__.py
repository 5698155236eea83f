"""ECR as a registry: what `docker push` and `podman pull` speak, on the records of images that moto's ECR keeps."""
