"""What to paint: manifests, and the pairs that they ask for.

The walk of a manifest: :func:`manifests.reader.read` makes a text a `Manifest`, or says everything
that is wrong with it; :func:`manifests.planning.expand` makes the manifest pairs;
:func:`manifests.comparing.compare` holds these against what is painted already.

Importing this package imports neither torch nor Prefect.
"""
