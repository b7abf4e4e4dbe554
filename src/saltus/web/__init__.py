"""The page: see the run, read the evidence, press the button. A second spelling of the verbs; no logic of its own."""
