"""What lets the product run from one folder with nothing installed: a broker in its own database, and a supervisor."""
