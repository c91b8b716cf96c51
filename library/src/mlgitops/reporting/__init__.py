"""What a change means, for people: report, cards, promotion summary."""
