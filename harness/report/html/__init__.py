"""The page: what report.html shows, as plain values, and the templates that it is made from."""
