"""What `make demo` does: the whole loop on a sample CRM or on a file of the user's."""
