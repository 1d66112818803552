"""What can be set of the sla service from outside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huiyin_chassis.errors import SettingsBroken
from huiyin_chassis.settings import ServiceSettings, settings_config


class SlaSettings(ServiceSettings):
    """Settings with the prefix `HUIYIN_SLA_`."""

    model_config = settings_config("HUIYIN_SLA_")

    policies: str | None = None
    """Policies that come into force at every start: a JSON document, or the path of a file that holds one."""

    def policies_document(self) -> Mapping[str, Any] | None:
        """Return the document set, None when none is; raises SettingsBroken when it cannot be read."""
        if self.policies is None:
            return None
        text = self.policies.strip()
        try:
            document = json.loads(text if text.startswith("{") else Path(text).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise SettingsBroken(
                "HUIYIN_SLA_POLICIES: is neither a JSON object nor a readable file"
            ) from None
        except (ValueError, RecursionError):
            raise SettingsBroken("HUIYIN_SLA_POLICIES: holds no valid JSON") from None
        if not isinstance(document, dict):
            raise SettingsBroken("HUIYIN_SLA_POLICIES: must be a JSON object")
        return document
