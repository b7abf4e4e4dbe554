{#- Everything of the roles of this node but their running: packages, directories, files. #}
{%- set node = pillar.saltus %}
include:
  - saltus.base

{% for role, slice in node.roles.items() -%}
{{ role }} packages:
  pkg.installed:
    - pkgs: {{ slice.packages | json }}
    - install_recommends: False
    - require:
      - file: saltus policy-rc.d

{% for unit in slice.unwanted_units -%}
{{ role }} without {{ unit }}:
  service.masked:
    - name: {{ unit }}
{% endfor -%}

{% for directory in slice.directories -%}
{{ role }} {{ directory.path }}:
  file.directory:
    - name: {{ directory.path }}
    - user: {{ directory.owner }}
    - group: {{ directory.group }}
    - mode: '{{ directory.mode }}'
    - makedirs: True
{% endfor -%}

{% for file in slice.files -%}
{{ role }} {{ file.path }}:
  file.managed:
    - name: {{ file.path }}
    - source: salt://templates/{{ file.template }}
    - template: jinja
    - context:
        values: {{ file['values'] | json }}
    - user: {{ file.owner }}
    - group: {{ file.group }}
    - mode: '{{ file.mode }}'
    - makedirs: True
    - show_changes: False
{% endfor -%}

{% for part in slice.configured_parts -%}
{% include 'saltus/parts/' ~ part ~ '.jinja' %}
{% endfor -%}
{% endfor -%}

{% set drop_ins = [] -%}
{% for role, slice in node.roles.items() -%}
{% for file in slice.files if file.path.startswith('/etc/systemd/system/') -%}
{% do drop_ins.append(role ~ ' ' ~ file.path) -%}
{% endfor -%}
{% endfor -%}
{% if drop_ins -%}
saltus units reread:
  cmd.run:
    - name: systemctl daemon-reload
    - onchanges:
      {%- for id in drop_ins %}
      - file: {{ id }}
      {%- endfor %}
{% endif %}
