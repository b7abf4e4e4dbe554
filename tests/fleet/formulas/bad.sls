broken file:
  file.managed:
    - name: /proc/saltus-cannot-write-here
    - contents: anything

waits for it:
  test.nop:
    - require:
      - file: broken file
