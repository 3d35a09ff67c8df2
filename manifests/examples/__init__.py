"""Manifests to start from, with the pictures of the quickstart."""
