"""A fitted model as Splink settings and back: runs beyond one machine (Spark), and models that others have trained."""
