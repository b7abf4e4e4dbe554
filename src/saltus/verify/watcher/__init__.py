"""The outage watcher: a process of its own that asks every API and pings instances, and writes down when they are away.

process.py    start and stop it, from the runner
__main__.py   the process
targets.py    what it is told to watch
apis.py       what each API is asked
session.py    the token, kept through an outage of keystone
asking.py     one request, one answer
ping.py       echo requests to one instance
record.py     samples into outages, outages into files
summary.py    files into numbers
"""
