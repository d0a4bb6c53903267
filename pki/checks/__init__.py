"""What is checked, of each kind of file in a PKI."""
