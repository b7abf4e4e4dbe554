first:
  test.nop: []

second:
  test.succeed_with_changes:
    - require:
      - test: first
