"""Who performs which kind of action, one module a kind of work."""
