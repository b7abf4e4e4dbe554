{#- A machine ready to take over: everything of its roles is there, nothing of it runs or comes up at boot. #}
include:
  - saltus.prepared

saltus units stopped:
  saltus.units_stopped: []
