"""Who may be behind a campaign, and the dossier that carries what was found to people who must be able to check it."""
