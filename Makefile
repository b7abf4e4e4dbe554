# make demo: the main job on a fresh Debian machine. make test: everything that this machine allows.
