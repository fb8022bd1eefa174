"""Failures as JSON:API error documents (api.md 2.5, engines.md 1.9)."""

from __future__ import annotations

from keygenreg.domain.failures import Failure, Invalid, Source, TooMany

_DEFAULT_CODES = {TooMany.status: "TOO_MANY_REQUESTS"}


def error_document(failure: Failure, request_id: str | None) -> dict[str, object]:
    """
    The document of a failure: one error, or one per problem of an :class:`Invalid`.

    :param request_id: repeated as ``meta.id``, None where the request has none.
    """
    document: dict[str, object] = {} if request_id is None else {"meta": {"id": request_id}}
    document["errors"] = errors_of(failure)
    return document


def errors_of(failure: Failure) -> list[dict[str, object]]:
    """The ``errors`` member alone: at least one object with title and detail, code and source where known."""
    if isinstance(failure, Invalid) and failure.problems:
        return [
            _error(failure.title, problem.detail, problem.code, Source(pointer=problem.pointer))
            for problem in failure.problems
        ]
    code = failure.code or _DEFAULT_CODES.get(failure.status)
    return [_error(failure.title, failure.detail, code, failure.source)]


def _error(title: str, detail: str, code: str | None, source: Source | None) -> dict[str, object]:
    error: dict[str, object] = {"title": title, "detail": detail}
    if code is not None:
        error["code"] = code
    if source is not None:
        members = {"pointer": source.pointer, "parameter": source.parameter, "header": source.header}
        error["source"] = {name: value for name, value in members.items() if value is not None}
    return error
