"""REST of webhooks: endpoints that are told what happens, and senders that may post to us."""

from rest_framework.response import Response

from apikeys import inbound, webhooks
from apikeys import webhook_serializers as s
from apikeys.models import IngestConnection, IngestedMessage, WebhookDelivery, WebhookEndpoint
from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.errors import Invalid
from outbound.api.openapi import documented
from outbound.api.pagination import OptionalPageInput, PageInput, list_of, page_of
from outbound.fields import box
from outbound.http import UrlRefused, check_url


class ShowsSecretOnce(WorkspaceViewSet):
    """Answers with a `secret`. For a repeat with the same Idempotency-Key it is kept, encrypted."""

    def secret_answer(self, shown: dict, secret: str, *, status: int) -> Response:
        self.after_commit(lambda: {**shown, "secret": secret})
        return Response({**shown, "secret": box().encrypt(secret.encode()).decode()}, status=status)

    def on_replay(self, data):
        if not isinstance(data, dict) or "secret" not in data:
            return data
        return {**data, "secret": box().decrypt(data["secret"].encode()).decode()}


class WebhookViewSet(ShowsSecretOnce):
    scopes = {
        "list": "webhooks:read", "retrieve": "webhooks:read", "deliveries": "webhooks:read", "create": "webhooks:write",
        "partial_update": "webhooks:write", "destroy": "webhooks:write", "test": "webhooks:write",
        "rotate": "webhooks:write", "replay": "webhooks:write",
    }  # fmt: skip

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        # Here and not in the handler: under an Idempotency-Key that runs in a transaction, which must not wait for DNS.
        if self.action == "partial_update":
            self.endpoint(kwargs["pk"])
        if self.action in ("create", "partial_update"):
            self._check_url(request.data)

    def _check_url(self, data) -> None:
        url = data.get("url") if isinstance(data, dict) else None
        if isinstance(url, str):
            try:
                check_url(url.strip())
            except UrlRefused as error:
                raise Invalid.field("url", str(error)) from None

    def endpoint(self, pk: str) -> WebhookEndpoint:
        return self.one(WebhookEndpoint.objects.select_related("workspace"), pk)

    @documented("list_webhooks", s.WebhookOutput, many=True, query=OptionalPageInput, tag="webhooks")
    def list(self, request):
        """Webhook endpoints, newest first"""
        rows, query = self.mine(WebhookEndpoint.objects.all()), self.validated_query(OptionalPageInput)
        return Response(list_of(rows, query, show=lambda found: s.WebhookOutput(found, many=True).data))

    @documented("create_webhook", s.NewWebhookOutput, body=s.WebhookInput, status=201, tag="webhooks")
    def create(self, request):
        """Be told what happens at an address of yours; the signing secret is shown this once"""
        endpoint = webhooks.create_endpoint(
            workspace=self.workspace, now=now_for(self.workspace), **self.validated(s.WebhookInput)
        )
        return self.secret_answer(s.WebhookOutput(endpoint).data, endpoint.secret, status=201)

    @documented("get_webhook", s.WebhookOutput, tag="webhooks")
    def retrieve(self, request, pk):
        """One webhook endpoint"""
        return Response(s.WebhookOutput(self.endpoint(pk)).data)

    @documented("update_webhook", s.WebhookOutput, body=s.WebhookPatch, tag="webhooks")
    def partial_update(self, request, pk):
        """Change an endpoint, switch it off, or on again"""
        endpoint = webhooks.update_endpoint(
            endpoint=self.endpoint(pk), now=now_for(self.workspace), **self.validated(s.WebhookPatch)
        )
        return Response(s.WebhookOutput(endpoint).data)

    @documented("delete_webhook", status=204, tag="webhooks")
    def destroy(self, request, pk):
        """Delete an endpoint with its log; nothing more is sent to it"""
        webhooks.delete_endpoint(endpoint=self.endpoint(pk))
        return Response(status=204)

    @documented("rotate_webhook_secret", s.NewWebhookOutput, tag="webhooks")
    def rotate(self, request, pk):
        """A new signing secret, shown this once; for 24 hours both sign"""
        endpoint = webhooks.rotate_secret(endpoint=self.endpoint(pk), now=now_for(self.workspace))
        return self.secret_answer(s.WebhookOutput(endpoint).data, endpoint.secret, status=200)

    @documented("test_webhook", s.DeliveryOutput, tag="webhooks")
    def test(self, request, pk):
        """Send a test event, tried once; see how it went in the deliveries"""
        delivery = webhooks.send_test(endpoint=self.endpoint(pk), now=now_for(self.workspace))
        return Response(s.DeliveryOutput(delivery).data)

    @documented("list_webhook_deliveries", s.DeliveryOutput, many=True, query=s.DeliveryQuery, tag="webhooks")
    def deliveries(self, request, pk):
        """What was sent to an endpoint and how every try ended, newest first"""
        query = self.validated_query(s.DeliveryQuery)
        rows = WebhookDelivery.objects.filter(endpoint=self.endpoint(pk))
        if "state" in query:
            rows = rows.filter(state=query.pop("state"))
        return Response(page_of(rows, **query, show=lambda found: s.DeliveryOutput(found, many=True).data))

    @documented("replay_webhook_delivery", s.DeliveryOutput, tag="webhooks")
    def replay(self, request, pk, delivery_pk):
        """Send a delivery again, with the same webhook-id"""
        rows = WebhookDelivery.objects.filter(endpoint=self.endpoint(pk)).select_related("endpoint")
        delivery = webhooks.replay(delivery=self.one(rows, delivery_pk), now=now_for(self.workspace))
        return Response(s.DeliveryOutput(delivery).data)


class IngestConnectionViewSet(ShowsSecretOnce):
    scopes = {
        "list": "webhooks:read", "messages": "webhooks:read", "create": "webhooks:write", "destroy": "webhooks:write",
    }  # fmt: skip

    @documented("list_ingest_connections", s.IngestConnectionOutput, many=True, query=OptionalPageInput, tag="webhooks")
    def list(self, request):
        """Senders that may post to us, newest first"""
        rows, query = self.mine(IngestConnection.objects.all()), self.validated_query(OptionalPageInput)
        return Response(list_of(rows, query, show=lambda found: s.IngestConnectionOutput(found, many=True).data))

    @documented(
        "create_ingest_connection", s.NewIngestConnectionOutput, body=s.IngestConnectionInput, status=201,
        tag="webhooks",
    )  # fmt: skip
    def create(self, request):
        """An address where a sender may post leads; its secret is shown this once"""
        connection = inbound.create_connection(
            workspace=self.workspace, now=now_for(self.workspace), **self.validated(s.IngestConnectionInput)
        )
        return self.secret_answer(s.IngestConnectionOutput(connection).data, connection.secret, status=201)

    @documented("delete_ingest_connection", status=204, tag="webhooks")
    def destroy(self, request, pk):
        """Close an address; whoever posts there is refused from this moment on"""
        self.one(IngestConnection.objects.all(), pk).delete()
        return Response(status=204)

    @documented("list_ingested_messages", s.IngestedMessageOutput, many=True, query=PageInput, tag="webhooks")
    def messages(self, request, pk):
        """What came in at an address and what it brought, newest first"""
        rows = IngestedMessage.objects.filter(connection=self.one(IngestConnection.objects.all(), pk)).defer("body")
        query = self.validated_query(PageInput)
        return Response(page_of(rows, **query, show=lambda found: s.IngestedMessageOutput(found, many=True).data))
