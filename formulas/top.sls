base:
  '*':
    - saltus
