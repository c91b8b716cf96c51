"""What production sees against what the released model was made of; what it was right about."""
