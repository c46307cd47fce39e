# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files in plugins/modules/ do when somebody runs them as modules: they say that they are not."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pitstop.runbook.plugins.module_utils._args import RUN, Spec


def action_only(argument_spec: Spec) -> None:
    """Validate the options (ansible-lint does that through here), then refuse to run on a host."""
    module = AnsibleModule(argument_spec={**RUN, **argument_spec}, supports_check_mode=True)
    module.fail_json(msg="This operation is an action plugin: it runs on the controller, not on a host.")
