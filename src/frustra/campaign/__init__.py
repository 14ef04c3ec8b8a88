"""A campaign knows engines and analysis: it runs a study from its file to its results."""
