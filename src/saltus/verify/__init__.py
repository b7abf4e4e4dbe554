"""Is the cloud what it should be: its lists, its instances, and how long users did without.

connection.py   one openstacksdk connection; its exceptions become ours
lists.py        the eight lists of the APIs (rows.py: what is compared of each)
comparison.py   two of them side by side
guest.py        the guest of a lab (initramfs.py: how it is packed)
instances.py    boot, ping, boot_id
seed.py         a tenant's things in a fresh lab cloud
watcher/        the outage watcher, a process of its own
marks.py        how the watcher's own writes are recognised
"""
