"""One file that holds all of a site's state on this host, and its way back."""
