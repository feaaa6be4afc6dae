"""The condition key aws:SecureTransport: requests count as encrypted.

The emulator listens on loopback without TLS, and so a policy that refuses unencrypted requests, as our queues have, would refuse
all of them.
"""

from ministack import app


def install() -> None:
    pin = app.pin_request_origin

    def pin_as_encrypted(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, True)

    app.pin_request_origin = pin_as_encrypted
