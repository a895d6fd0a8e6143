"""Why a collector has nothing to return: the type says who can do something about it, the text what."""


class Error(Exception):
    """One of the four below. The agent reports its text."""


class ConfigError(Error):
    """The sidecar's `[config]` is wrong. For the operator."""


class DeniedError(Error):
    """A grant is missing. For the operator."""


class UnavailableError(Error):
    """What it measures is not there, or not now."""


class InternalError(Error):
    """Anything else, such as a file with an unexpected content. For the collector's author."""


def classified(error: BaseException) -> Error | None:
    """The error that the agent is told, where the exception says who must act; nothing for one that nobody foresaw.

    Exceptions of `open` and the like on granted folders (`dirs`) are known by their type.
    """
    if isinstance(error, Error):
        return error
    if isinstance(error, PermissionError):
        return DeniedError(str(error))
    if isinstance(error, OSError):
        return UnavailableError(str(error))
    return None
