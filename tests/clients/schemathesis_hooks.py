"""What Schemathesis does not know by itself: how a piece of a file is sent (tus 1.0.0)."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def piece(_, value):
    return value if isinstance(value, bytes) else str(value).encode()
