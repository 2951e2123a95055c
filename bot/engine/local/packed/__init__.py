"""Every active request's new tokens in one forward pass, whatever their lengths."""
