sleeps:
  module.run:
    - test.sleep:
      - length: 3
