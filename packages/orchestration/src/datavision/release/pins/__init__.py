"""The pins of the pipelines and the git repository that keeps them: written, read, compared with what runs."""
