"""Asks a store again that did not answer, before anybody hears of it.

obstore itself repeats what cannot do harm twice: not a put whose connection broke, nor one that was
refused for a moment (409). Here is known that each of our requests may be repeated.
"""

import logging

from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from storage.objects.store_errors import StoreUnavailable

_logger = logging.getLogger(__name__)


def _say(state: RetryCallState) -> None:
    assert state.outcome is not None
    _logger.warning(
        "asking the store again, for the %d. time: %s",
        state.attempt_number,
        state.outcome.exception(),
    )


patient = retry(
    retry=retry_if_exception_type(StoreUnavailable),
    stop=stop_after_attempt(7),
    wait=wait_random_exponential(multiplier=0.2, max=10),  # seconds; six on average until the end
    before_sleep=_say,
    reraise=True,
)
"""Decorates a request that may be repeated: another try after a pause, and in the end the error."""
