"""Example manifests and their pictures."""
