"""HTTP itself: bodies within their limits, errors by RFC 9457, replies, and the OpenAPI document."""
