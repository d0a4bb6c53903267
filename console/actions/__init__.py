"""What people do at the page: which actions are offered, what they are done to, the preview, and doing it once."""
