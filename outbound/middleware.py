"""What every answer passes on its way out."""

from outbound.acknowledging import promises
from sending.services import wait_until_none_leaves


class AnswerWhenQuiet:
    """Keeps back the answer to an opt-out, a suppression or a deletion until no mail can leave that it forbids."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with promises() as promised:
            response = self.get_response(request)
        if promised:
            wait_until_none_leaves(promised)
        return response
