base:
  'cmp*':
    - good
