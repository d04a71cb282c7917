from importlib import import_module

from django.apps import AppConfig, apps


class OutboundConfig(AppConfig):
    name = "outbound"

    def ready(self):
        if not apps.is_installed("mcp"):
            return
        # After those of the tool door, whichever app is ready first: the list of tools has one order.
        import_module("mcp.tools").load()
        import_module("outbound.tools")
