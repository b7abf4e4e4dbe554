{#- What every machine has, whatever its roles. #}
{%- set node = pillar.saltus %}
saltus hostname:
  file.managed:
    - name: /etc/hostname
    - contents: {{ node.node }}

# Erlang, apache and Salt itself ask the resolver for the own name: a hostname that /etc/hosts lacks costs minutes.
saltus hostname now:
  cmd.run:
    - name: hostname {{ node.node }}
    - unless: test "$(hostname)" = {{ node.node }}

saltus hosts:
  file.managed:
    - name: /etc/hosts
    - source: salt://templates/hosts.jinja
    - template: jinja

saltus locale:
  file.managed:
    - name: /etc/default/locale
    - contents: LANG=C.UTF-8

# Units are started by states and by steps of a plan, never by the installation of a package.
saltus policy-rc.d:
  file.managed:
    - name: /usr/sbin/policy-rc.d
    - mode: '0755'
    - contents: {{ salt['saltus_packages.policy']() | json }}
