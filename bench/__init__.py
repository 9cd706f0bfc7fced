"""What the project promises of its speed, measured: `python -m bench`. Nothing here passes or fails."""
