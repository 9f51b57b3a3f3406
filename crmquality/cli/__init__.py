"""The command line `crmquality`: one file a subject, each with `add_arguments` and `execute`; see docs/cli.md."""
