"""The subjects of the command line that are about what people said; `crmquality.cli.main` names them as strings."""
