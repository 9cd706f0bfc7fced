"""What a release needs: the pinned versions, and the check that a tag, the version and the changelog agree."""
