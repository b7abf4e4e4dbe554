a state:
  file.managed:
    - name: {{ pillar['nobody has this'] }}
