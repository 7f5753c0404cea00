"""What a refused call must look like through Azure's own client: status, code, header and class at once."""

from contextlib import contextmanager

import pytest
from azure.core.exceptions import HttpResponseError


@contextmanager
def refused(status, code, kind=HttpResponseError):
    """The block must end in an error of class `kind` with this HTTP status and this Azure error code."""
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    told = getattr(error.error_code, "value", error.error_code)
    assert (error.status_code, told) == (status, code), str(error)
    assert error.response.headers.get("x-ms-error-code") == code
    assert error.response.headers.get("x-ms-request-id")
    assert error.response.headers.get("x-ms-version")
