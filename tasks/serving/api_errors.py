"""Errors in the shape of OpenAI's: `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from memdec_core.errors import UserError

_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    499: "client_closed_request",
    503: "service_unavailable",
    504: "timeout_error",
}
_TYPE_NAMES = {"str", "constrained-str", "constrained-int"}
_NOT_SUPPORTED = {
    "best_of": "ask for `n` sequences instead",
    "suffix": "the models only continue a text",
    "tools": "the models have no tool calls",
    "tool_choice": "the models have no tool calls",
    "parallel_tool_calls": "the models have no tool calls",
    "functions": "the models have no tool calls",
    "function_call": "the models have no tool calls",
    "response_format": "the text is not constrained to a format",
}


class ApiError(HTTPException):
    """A request that gets an error for its answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.param = param
        self.code = code


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """The client's mistake in one field of its request."""
    return ApiError(400, message, param=param, code=code)


def error_body(error: HTTPException) -> dict[str, dict[str, str | None]]:
    """An error as JSON."""
    status = error.status_code
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    param, code = getattr(error, "param", None), getattr(error, "code", None)
    return {"error": {"message": error.detail, "type": kind, "param": param, "code": code}}


def error_response(error: HTTPException) -> JSONResponse:
    """An error as the whole answer."""
    return JSONResponse(error_body(error), error.status_code, error.headers)


def add_error_handlers(app: FastAPI) -> None:
    """Gives every error of an app this shape, also those of routing and validation."""

    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        return error_response(error)

    async def validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(_of_validation(error))

    async def mistake(_request: Request, error: UserError) -> JSONResponse:
        return error_response(invalid(str(error)))

    async def failure(_request: Request, error: Exception) -> JSONResponse:
        return error_response(HTTPException(500, f"the server failed: {type(error).__name__}"))

    for kind, handler in (
        (HTTPException, http),
        (RequestValidationError, validation),
        (UserError, mistake),
        (Exception, failure),
    ):
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]  # takes its own kind only


def _of_validation(error: RequestValidationError) -> ApiError:
    """The first field that is wrong, by its path, and what is wrong with it."""
    problems = [(_path(problem["loc"]), problem) for problem in error.errors()]
    path, first = problems[0]
    if first["type"] == "extra_forbidden":
        reason = _NOT_SUPPORTED.get(path)
        if reason is None:
            return invalid(f"unknown field `{path}`", path, "unknown_parameter")
        return invalid(f"`{path}` is not supported: {reason}", path, "unsupported_parameter")
    if first["type"] == "model_attributes_type":
        return invalid("the body is no JSON object sent as Content-Type: application/json")
    if first["type"] == "json_invalid":
        return invalid(f"the body is not JSON: {first['ctx']['error']}")
    same = [problem["msg"] for other, problem in problems if other.startswith(path)]
    message = " or ".join(dict.fromkeys(same)).replace("Value error, ", "")
    return invalid(f"`{path}`: {message}", path) if path else invalid(message)


def _path(place: Sequence[str | int]) -> str:
    """Where in the body; without the names of types that pydantic adds where several may stand."""
    parts = [str(part) for part in place[1:]]
    return ".".join(part for part in parts if part not in _TYPE_NAMES and "[" not in part)
