"""What did a person say? The review queue, decisions, policies and feedback."""
