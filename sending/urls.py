from django.urls import path

from sending.views import SenderViewSet

urlpatterns = [path("senders", SenderViewSet.as_view({"get": "list"}))]
