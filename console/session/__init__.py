"""Who is signed in: sessions, attempts, and what every request must show."""
