"""A Django project of one app and one task, so that the broker is tested without the product's own work."""

urlpatterns = []
