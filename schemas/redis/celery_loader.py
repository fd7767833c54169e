"""The Celery loader of both planes."""

from collections.abc import Callable
from typing import Any

from celery.loaders.app import AppLoader


class InstalledLoader(AppLoader):  # type: ignore[misc]
    """A loader that imports installed modules only.

    Celery's own loader puts the working folder first on `sys.path` while it imports, and so would run a user's file
    that has the name of a module it needs.
    """

    def import_from_cwd(self, module: str, imp: Callable[..., Any] | None = None, package: str | None = None) -> Any:
        """Import `module` from the unchanged search path."""
        return (imp or self.import_module)(module, package=package)
