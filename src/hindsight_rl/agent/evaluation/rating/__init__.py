"""Human rating of relabels: a page on which people say whether a relabel describes what happened, and their answers."""
