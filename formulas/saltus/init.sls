{#- The highstate: everything that the roles of this node are, running. A rehearsal's node stops short of starting
    OpenStack: its databases come from a clone. #}
{%- set node = pillar.saltus %}
include:
  - saltus.prepared

{% for role, slice in node.roles.items() if not slice.first_schema -%}
{% include 'saltus/running.jinja' %}
{% endfor -%}

{% if not node.rehearsal and node.roles.values() | selectattr('first_schema') | list -%}
saltus schemas:
  saltus.schemas_created: []

{% for role, slice in node.roles.items() if role == 'keystone.server' -%}
{% include 'saltus/running.jinja' %}
# Before the others start: nova-conductor and nova-scheduler end at once when keystone does not know their user.
saltus identity:
  saltus.identity_present: []
{% endfor -%}

{% for role, slice in node.roles.items() if slice.first_schema and role != 'keystone.server' -%}
{% include 'saltus/running.jinja' %}
{% endfor -%}

saltus units settled:
  saltus.units_settled:
    - units: {{ node.roles.values() | selectattr('first_schema') | map(attribute='units') | sum(start=[]) | json }}
{% endif -%}
