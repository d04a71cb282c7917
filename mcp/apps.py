from django.apps import AppConfig


class McpConfig(AppConfig):
    name = "mcp"
    verbose_name = "Tool door"

    def ready(self):
        # Each module of tools registers its own when it is imported; they need the models to be there.
        from mcp.tools import load

        load()
