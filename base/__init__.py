"""The ground floor: errors, the clock, identifiers, redaction. Knows nothing of telephony."""
