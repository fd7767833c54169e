"""The Celery application of both planes, and its loader."""

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.loaders.app import AppLoader


class InstalledLoader(AppLoader):  # type: ignore[misc]
    """A loader that imports installed modules only.

    Celery's own loader puts the working folder first on `sys.path` while it imports, and so would run a user's file
    that has the name of a module it needs.
    """

    def import_from_cwd(self, module: str, imp: Callable[..., Any] | None = None, package: str | None = None) -> Any:
        """Import `module` from the unchanged search path."""
        return (imp or self.import_module)(module, package=package)


class OwnBroker(Celery):  # type: ignore[misc]
    """An application that connects to the `broker_url` of its settings.

    Celery itself would prefer CELERY_BROKER_URL and its kin, which on a host with another Celery program name that
    program's broker.
    """

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """A connection for consuming."""
        return super().connection_for_read(url or self.conf.get("broker_url"), **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """A connection for producing."""
        return super().connection_for_write(url or self.conf.get("broker_url"), **options)

    def connection(self, hostname: str | None = None, *arguments: Any, **options: Any) -> Any:
        """A connection for orders to workers."""
        return super().connection(hostname or self.conf.get("broker_url"), *arguments, **options)
