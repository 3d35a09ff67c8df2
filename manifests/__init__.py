"""What is to be painted: manifests, and the pairs they expand into."""
