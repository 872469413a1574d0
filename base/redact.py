"""What may be shown of a secret."""


def masked(secret: str) -> str:
    """Show the last four characters of a secret of twelve or more, and nothing of a shorter one."""
    return f"****{secret[-4:]}" if len(secret) >= 12 else "****"
