"""Things with a power button: the provider port, nspawn machines, a fake, and the images that machines start from."""
