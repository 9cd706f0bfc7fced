"""The steps of a nightly job, which run anywhere: a session, its report with what changed, and one issue on GitHub."""
