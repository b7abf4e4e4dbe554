BEGIN TRANSACTION;
CREATE TABLE accounts (
	name VARCHAR(255) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	password TEXT, 
	active BOOLEAN NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE events (
	run VARCHAR(128) NOT NULL, 
	seq INTEGER NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	step VARCHAR(255), 
	json TEXT NOT NULL, 
	PRIMARY KEY (run, seq), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',1,'run.created',NULL,'{"format":1,"at":"2026-11-22T19:44:09.279757Z","by":"ann","kind":"run.created","fingerprint":"b7658f0f11c7eacc37658d26663eb6c800cca8dd1c5f6d0def8aad522782d5f9","plan":"control","cloud":"small","undoes":null}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',2,'run.started',NULL,'{"format":1,"at":"2026-11-22T19:44:09.401145Z","by":"ann","runner":"d9610f3e2a22","host":"vm","pid":3431,"saltus":"0.1.0","kind":"run.started"}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',3,'step.started','check/facts','{"format":1,"at":"2026-11-22T19:44:09.429316Z","by":"ann","kind":"step.started","step":"check/facts","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',4,'step.noted','check/facts','{"format":1,"at":"2026-11-22T19:44:09.450786Z","by":"ann","kind":"step.noted","step":"check/facts","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',5,'step.finished','check/facts','{"format":1,"at":"2026-11-22T19:44:09.459357Z","by":"ann","kind":"step.finished","step":"check/facts","summary":"done","evidence":{"rows":7},"seconds":0.009,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',6,'step.started','check/lists','{"format":1,"at":"2026-11-22T19:44:09.482820Z","by":"ann","kind":"step.started","step":"check/lists","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',7,'step.noted','check/lists','{"format":1,"at":"2026-11-22T19:44:09.494810Z","by":"ann","kind":"step.noted","step":"check/lists","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',8,'step.finished','check/lists','{"format":1,"at":"2026-11-22T19:44:09.514767Z","by":"ann","kind":"step.finished","step":"check/lists","summary":"done","evidence":{"rows":7},"seconds":0.02,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',9,'gate.asked',NULL,'{"format":1,"at":"2026-11-22T19:44:09.526766Z","by":"ann","kind":"gate.asked","gate":"check/begin","fingerprint":"b7658f0f11c7eacc37658d26663eb6c800cca8dd1c5f6d0def8aad522782d5f9","asking":"db5f9cf1e465636f","expires_at":"2026-11-22T21:44:09.526759Z"}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',10,'gate.approved',NULL,'{"format":1,"at":"2026-11-22T19:44:09.539948Z","by":"demo","gate":"check/begin","fingerprint":"b7658f0f11c7eacc37658d26663eb6c800cca8dd1c5f6d0def8aad522782d5f9","asking":"db5f9cf1e465636f","comment":"approved by --approve-as, unseen","origin":"--approve-as, root@vm","signature":"85102a3dbc7866adf7a9611abd02acd927fa1607f3b49f40697f9fd5c669153b","kind":"gate.approved"}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',11,'step.started','build/ctl-create','{"format":1,"at":"2026-11-22T19:44:09.563787Z","by":"ann","kind":"step.started","step":"build/ctl-create","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',12,'step.started','build/prx-create','{"format":1,"at":"2026-11-22T19:44:09.577974Z","by":"ann","kind":"step.started","step":"build/prx-create","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',13,'step.noted','build/ctl-create','{"format":1,"at":"2026-11-22T19:44:09.586792Z","by":"ann","kind":"step.noted","step":"build/ctl-create","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',14,'step.noted','build/prx-create','{"format":1,"at":"2026-11-22T19:44:09.597175Z","by":"ann","kind":"step.noted","step":"build/prx-create","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',15,'step.finished','build/prx-create','{"format":1,"at":"2026-11-22T19:44:09.606646Z","by":"ann","kind":"step.finished","step":"build/prx-create","summary":"done","evidence":{"rows":7},"seconds":0.01,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',16,'step.finished','build/ctl-create','{"format":1,"at":"2026-11-22T19:44:09.601573Z","by":"ann","kind":"step.finished","step":"build/ctl-create","summary":"done","evidence":{"rows":7},"seconds":0.015,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',17,'step.started','build/prx-state','{"format":1,"at":"2026-11-22T19:44:09.614762Z","by":"ann","kind":"step.started","step":"build/prx-state","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',18,'step.started','build/ctl-state','{"format":1,"at":"2026-11-22T19:44:09.622667Z","by":"ann","kind":"step.started","step":"build/ctl-state","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',19,'step.noted','build/prx-state','{"format":1,"at":"2026-11-22T19:44:09.634838Z","by":"ann","kind":"step.noted","step":"build/prx-state","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',20,'step.noted','build/ctl-state','{"format":1,"at":"2026-11-22T19:44:09.645234Z","by":"ann","kind":"step.noted","step":"build/ctl-state","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',21,'step.finished','build/prx-state','{"format":1,"at":"2026-11-22T19:44:09.654741Z","by":"ann","kind":"step.finished","step":"build/prx-state","summary":"done","evidence":{"rows":7},"seconds":0.02,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',22,'step.finished','build/ctl-state','{"format":1,"at":"2026-11-22T19:44:09.667345Z","by":"ann","kind":"step.finished","step":"build/ctl-state","summary":"done","evidence":{"rows":7},"seconds":0.022,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',23,'step.started','build/ctl-check','{"format":1,"at":"2026-11-22T19:44:09.689109Z","by":"ann","kind":"step.started","step":"build/ctl-check","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',24,'step.noted','build/ctl-check','{"format":1,"at":"2026-11-22T19:44:09.702850Z","by":"ann","kind":"step.noted","step":"build/ctl-check","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',25,'step.finished','build/ctl-check','{"format":1,"at":"2026-11-22T19:44:09.726782Z","by":"ann","kind":"step.finished","step":"build/ctl-check","summary":"done","evidence":{"rows":7},"seconds":0.024,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',26,'step.started','build/stop-old','{"format":1,"at":"2026-11-22T19:44:09.742902Z","by":"ann","kind":"step.started","step":"build/stop-old","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',27,'step.noted','build/stop-old','{"format":1,"at":"2026-11-22T19:44:09.748844Z","by":"ann","kind":"step.noted","step":"build/stop-old","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',28,'step.finished','build/stop-old','{"format":1,"at":"2026-11-22T19:44:09.758808Z","by":"ann","kind":"step.finished","step":"build/stop-old","summary":"done","evidence":{"rows":7},"seconds":0.01,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',29,'step.started','build/back-up','{"format":1,"at":"2026-11-22T19:44:09.766052Z","by":"ann","kind":"step.started","step":"build/back-up","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',30,'step.noted','build/back-up','{"format":1,"at":"2026-11-22T19:44:09.783589Z","by":"ann","kind":"step.noted","step":"build/back-up","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',31,'step.finished','build/back-up','{"format":1,"at":"2026-11-22T19:44:09.796223Z","by":"ann","kind":"step.finished","step":"build/back-up","summary":"done","evidence":{"rows":7},"seconds":0.013,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',32,'step.started','build/db_sync-keystone','{"format":1,"at":"2026-11-22T19:44:09.811783Z","by":"ann","kind":"step.started","step":"build/db_sync-keystone","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',33,'step.started','build/db_sync-nova','{"format":1,"at":"2026-11-22T19:44:09.830720Z","by":"ann","kind":"step.started","step":"build/db_sync-nova","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',34,'step.started','build/db_sync-glance','{"format":1,"at":"2026-11-22T19:44:09.830914Z","by":"ann","kind":"step.started","step":"build/db_sync-glance","attempt":1}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',35,'step.noted','build/db_sync-keystone','{"format":1,"at":"2026-11-22T19:44:09.834763Z","by":"ann","kind":"step.noted","step":"build/db_sync-keystone","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',36,'step.noted','build/db_sync-nova','{"format":1,"at":"2026-11-22T19:44:09.851214Z","by":"ann","kind":"step.noted","step":"build/db_sync-nova","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',37,'step.noted','build/db_sync-glance','{"format":1,"at":"2026-11-22T19:44:09.859725Z","by":"ann","kind":"step.noted","step":"build/db_sync-glance","data":{"jid":"20261122184500000001"}}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',38,'step.finished','build/db_sync-keystone','{"format":1,"at":"2026-11-22T19:44:09.870782Z","by":"ann","kind":"step.finished","step":"build/db_sync-keystone","summary":"done","evidence":{"rows":7},"seconds":0.036,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',39,'step.finished','build/db_sync-glance','{"format":1,"at":"2026-11-22T19:44:09.894781Z","by":"ann","kind":"step.finished","step":"build/db_sync-glance","summary":"done","evidence":{"rows":7},"seconds":0.035,"verified":false}');
INSERT INTO "events" VALUES('control-b7658f0f11c7-1',40,'run.paused',NULL,'{"format":1,"at":"2026-11-22T19:44:09.919111Z","by":"ann","kind":"run.paused","reason":"stopped at once in the middle of build/db_sync-nova","step":null}');
CREATE TABLE leases (
	run VARCHAR(128) NOT NULL, 
	runner VARCHAR(64) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	"by" VARCHAR(255) NOT NULL, 
	until FLOAT NOT NULL, 
	PRIMARY KEY (run), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
CREATE TABLE locks (
	cloud VARCHAR(255) NOT NULL, 
	part VARCHAR(255) NOT NULL, 
	run VARCHAR(128) NOT NULL, 
	PRIMARY KEY (cloud, part), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "locks" VALUES('small','back-up','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','ctl-check','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','ctl-create','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','ctl-state','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','db_sync-glance','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','db_sync-keystone','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','db_sync-nova','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','facts','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','lists','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','map-nova','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','old-off','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','prx-create','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','prx-state','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','start','control-b7658f0f11c7-1');
INSERT INTO "locks" VALUES('small','stop-old','control-b7658f0f11c7-1');
CREATE TABLE plans (
	fingerprint VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	cloud VARCHAR(255) NOT NULL, 
	json TEXT NOT NULL, 
	saved_at VARCHAR(40) NOT NULL, 
	PRIMARY KEY (fingerprint)
);
INSERT INTO "plans" VALUES('b7658f0f11c7eacc37658d26663eb6c800cca8dd1c5f6d0def8aad522782d5f9','control','small','{
 "format": 1,
 "name": "control",
 "cloud": "small",
 "source": "zed",
 "target": "epoxy",
 "facts": {},
 "stages": [
  {
   "id": "check",
   "title": "Do check",
   "impact": "no impact",
   "way_back": "stop them",
   "steps": [
    {
     "id": "check/facts",
     "title": "Start facts",
     "action": {
      "kind": "machine.start",
      "machine": "facts"
     },
     "lane": null
    },
    {
     "id": "check/lists",
     "title": "Start lists",
     "action": {
      "kind": "salt.call",
      "target": "lists",
      "function": "test.ping",
      "arguments": [],
      "timeout_s": 300.0
     },
     "lane": null
    }
   ],
   "gate": {
    "id": "check/begin",
    "question": "Go on?",
    "role": "approver",
    "answers": 1,
    "expires_after": "PT2H",
    "on_expiry": "pause",
    "evidence": [
     "check/facts"
    ]
   }
  },
  {
   "id": "build",
   "title": "Do build",
   "impact": "no impact",
   "way_back": "stop them",
   "steps": [
    {
     "id": "build/ctl-create",
     "title": "Start ctl-create",
     "action": {
      "kind": "machine.start",
      "machine": "ctl-create"
     },
     "lane": "ctl"
    },
    {
     "id": "build/ctl-state",
     "title": "Start ctl-state",
     "action": {
      "kind": "salt.call",
      "target": "ctl-state",
      "function": "test.ping",
      "arguments": [],
      "timeout_s": 300.0
     },
     "lane": "ctl"
    },
    {
     "id": "build/ctl-check",
     "title": "Start ctl-check",
     "action": {
      "kind": "machine.start",
      "machine": "ctl-check"
     },
     "lane": "ctl"
    },
    {
     "id": "build/prx-create",
     "title": "Start prx-create",
     "action": {
      "kind": "machine.start",
      "machine": "prx-create"
     },
     "lane": "prx"
    },
    {
     "id": "build/prx-state",
     "title": "Start prx-state",
     "action": {
      "kind": "salt.call",
      "target": "prx-state",
      "function": "test.ping",
      "arguments": [],
      "timeout_s": 300.0
     },
     "lane": "prx"
    },
    {
     "id": "build/stop-old",
     "title": "Start stop-old",
     "action": {
      "kind": "machine.start",
      "machine": "stop-old"
     },
     "lane": null
    },
    {
     "id": "build/back-up",
     "title": "Start back-up",
     "action": {
      "kind": "machine.start",
      "machine": "back-up"
     },
     "lane": null
    },
    {
     "id": "build/db_sync-keystone",
     "title": "Start db_sync-keystone",
     "action": {
      "kind": "machine.start",
      "machine": "db_sync-keystone"
     },
     "lane": "keystone"
    },
    {
     "id": "build/db_sync-nova",
     "title": "Start db_sync-nova",
     "action": {
      "kind": "salt.call",
      "target": "db_sync-nova",
      "function": "test.ping",
      "arguments": [],
      "timeout_s": 300.0
     },
     "lane": "nova"
    },
    {
     "id": "build/map-nova",
     "title": "Start map-nova",
     "action": {
      "kind": "machine.start",
      "machine": "map-nova"
     },
     "lane": "nova"
    },
    {
     "id": "build/db_sync-glance",
     "title": "Start db_sync-glance",
     "action": {
      "kind": "machine.start",
      "machine": "db_sync-glance"
     },
     "lane": "glance"
    },
    {
     "id": "build/start",
     "title": "Start start",
     "action": {
      "kind": "machine.start",
      "machine": "start"
     },
     "lane": null
    }
   ],
   "gate": {
    "id": "build/accept",
    "question": "Go on?",
    "role": "approver",
    "answers": 1,
    "expires_after": null,
    "on_expiry": "pause",
    "evidence": []
   }
  },
  {
   "id": "finish",
   "title": "Do finish",
   "impact": "no impact",
   "way_back": "stop them",
   "steps": [
    {
     "id": "finish/old-off",
     "title": "Start old-off",
     "action": {
      "kind": "machine.start",
      "machine": "old-off"
     },
     "lane": null
    }
   ],
   "gate": null
  }
 ]
}
','2026-11-22T19:44:09.265085+00:00');
CREATE TABLE runs (
	id VARCHAR(128) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	cloud VARCHAR(255) NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	undoes VARCHAR(128), 
	PRIMARY KEY (id), 
	FOREIGN KEY(fingerprint) REFERENCES plans (fingerprint)
);
INSERT INTO "runs" VALUES('control-b7658f0f11c7-1','b7658f0f11c7eacc37658d26663eb6c800cca8dd1c5f6d0def8aad522782d5f9','control','small','2026-11-22T19:44:09.279757+00:00','ann',NULL);
CREATE TABLE tokens (
	id VARCHAR(16) NOT NULL, 
	account VARCHAR(255) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	label VARCHAR(255) NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	expires_at FLOAT NOT NULL, 
	once BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account) REFERENCES accounts (name)
);
CREATE INDEX events_by_kind ON events (run, kind);
COMMIT;
