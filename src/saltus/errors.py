"""What went wrong, why, and what to do: the errors that an operator can meet."""


def because_line(because: str) -> str:
    """`because: the disk is full`; a list of reasons begins on the next line."""
    return f"because:{because}" if because.startswith("\n") else f"because: {because}"


class OperatorError(Exception):
    """An error that tells the operator what to do. Anything else that escapes is a bug of ours and shows a traceback.

    Printed as three lines, in this order: what happened, because of what, what to do.
    """

    def __init__(self, *, what: str, because: str, do: str) -> None:
        self.what = what
        self.because = because
        self.do = do
        super().__init__(f"{what}\n{because_line(because)}\ndo: {do}")


class Refused(OperatorError):
    """Nothing was touched: the request cannot be carried out, for every reason in `reasons`, not only the first."""

    def __init__(self, *, what: str, reasons: list[str], do: str) -> None:
        self.reasons = reasons
        because = reasons[0] if len(reasons) == 1 else "".join(f"\n  - {reason}" for reason in reasons)
        super().__init__(what=what, because=because, do=do)


class Abort(BaseException):
    """The operator ended the work now. Derives from BaseException so that no `except Exception` swallows it."""
