"""Turns away requests without the key and requests that are too large, before they are read."""

import secrets

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.serving.api_errors import ApiError, error_response

OPEN_PATHS = ("/", "/health")
"""The page, which holds nothing but itself, and what a load balancer asks."""


class RequestGuard:
    """ASGI middleware in front of everything.

    Args:
        app: What it guards.
        api_key: The key that clients need, if any.
        max_body_bytes: Largest body, whether its length is said before or not.
    """

    def __init__(self, app: ASGIApp, api_key: SecretStr | None, max_body_bytes: int) -> None:
        self._app = app
        self._key = None if api_key is None else api_key.get_secret_value().encode()
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()  # reaches the app where it reads the body
            return message

        try:
            self._check(scope["path"], Headers(scope=scope))
        except ApiError as error:
            await error_response(error)(scope, receive, send)
        else:
            await self._app(scope, limited_receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        if self._key is not None and path not in OPEN_PATHS:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            same = secrets.compare_digest(given.strip().encode(), self._key)
            if scheme.lower() != "bearer" or not same:
                raise ApiError(
                    401,
                    "the API key is missing or wrong; send it as `Authorization: Bearer …`",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._max_body_bytes:
            raise self._too_large()

    def _too_large(self) -> ApiError:
        return ApiError(
            413,
            f"the body is larger than {self._max_body_bytes} bytes, the most this server reads",
            code="body_too_large",
        )
