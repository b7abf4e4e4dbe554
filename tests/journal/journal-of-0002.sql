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
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE events (
	run VARCHAR(128) NOT NULL, 
	seq INTEGER NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	step VARCHAR(255), 
	json TEXT NOT NULL, 
	PRIMARY KEY (run, seq), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "events" VALUES('control-d4789b940528-1',1,'run.created',NULL,'{"format":1,"at":"2026-11-22T22:49:09.151807Z","by":"ann","kind":"run.created","fingerprint":"d4789b940528e28eea912f9b0791d60fa24682ef7a806547a21e6bbcbf204bed","plan":"control","cloud":"small","undoes":null}');
INSERT INTO "events" VALUES('control-d4789b940528-1',2,'run.started',NULL,'{"format":1,"at":"2026-11-22T22:49:09.332857Z","by":"ann","runner":"806c077f7c41","host":"ctl","pid":7,"saltus":"0.1.0","kind":"run.started"}');
INSERT INTO "events" VALUES('control-d4789b940528-1',3,'drift.seen',NULL,'{"format":1,"at":"2026-11-22T22:49:09.374252Z","by":"ann","kind":"drift.seen","differences":["cmp01 is deployed as: zed when planned, epoxy now"]}');
INSERT INTO "events" VALUES('control-d4789b940528-1',4,'run.paused',NULL,'{"format":1,"at":"2026-11-22T22:49:09.385234Z","by":"ann","kind":"run.paused","reason":"the cloud is not as it was when the plan was made: cmp01 is deployed as: zed when planned, epoxy now","step":null}');
INSERT INTO "events" VALUES('control-d4789b940528-1',5,'run.resumed',NULL,'{"format":1,"at":"2026-11-22T22:49:09.467125Z","by":"ann","runner":"5a9ffc83c42b","host":"ctl","pid":7,"saltus":"0.1.0","kind":"run.resumed"}');
INSERT INTO "events" VALUES('control-d4789b940528-1',6,'step.started','check/facts','{"format":1,"at":"2026-11-22T22:49:09.491282Z","by":"ann","kind":"step.started","step":"check/facts","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',7,'step.noted','check/facts','{"format":1,"at":"2026-11-22T22:49:09.497260Z","by":"ann","kind":"step.noted","step":"check/facts","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',8,'step.finished','check/facts','{"format":1,"at":"2026-11-22T22:49:09.510565Z","by":"ann","kind":"step.finished","step":"check/facts","summary":"done","evidence":{"rows":7},"seconds":0.013,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',9,'step.started','check/versions','{"format":1,"at":"2026-11-22T22:49:09.549833Z","by":"ann","kind":"step.started","step":"check/versions","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',10,'step.noted','check/versions','{"format":1,"at":"2026-11-22T22:49:09.572639Z","by":"ann","kind":"step.noted","step":"check/versions","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',11,'step.finished','check/versions','{"format":1,"at":"2026-11-22T22:49:09.580131Z","by":"ann","kind":"step.finished","step":"check/versions","summary":"done","evidence":{"rows":7},"seconds":0.008,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',12,'step.started','check/lists','{"format":1,"at":"2026-11-22T22:49:09.590703Z","by":"ann","kind":"step.started","step":"check/lists","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',13,'step.noted','check/lists','{"format":1,"at":"2026-11-22T22:49:09.598684Z","by":"ann","kind":"step.noted","step":"check/lists","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',14,'step.finished','check/lists','{"format":1,"at":"2026-11-22T22:49:09.622868Z","by":"ann","kind":"step.finished","step":"check/lists","summary":"done","evidence":{"rows":7},"seconds":0.024,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',15,'step.started','rehearse/image','{"format":1,"at":"2026-11-22T22:49:09.643151Z","by":"ann","kind":"step.started","step":"rehearse/image","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',16,'step.noted','rehearse/image','{"format":1,"at":"2026-11-22T22:49:09.658697Z","by":"ann","kind":"step.noted","step":"rehearse/image","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',17,'step.started','rehearse/backup','{"format":1,"at":"2026-11-22T22:49:09.648733Z","by":"ann","kind":"step.started","step":"rehearse/backup","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',18,'step.noted','rehearse/backup','{"format":1,"at":"2026-11-22T22:49:09.741141Z","by":"ann","kind":"step.noted","step":"rehearse/backup","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',19,'step.finished','rehearse/image','{"format":1,"at":"2026-11-22T22:49:09.702767Z","by":"ann","kind":"step.finished","step":"rehearse/image","summary":"done","evidence":{"rows":7},"seconds":0.044,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',20,'step.started','rehearse/machine','{"format":1,"at":"2026-11-22T22:49:09.758805Z","by":"ann","kind":"step.started","step":"rehearse/machine","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',21,'step.finished','rehearse/backup','{"format":1,"at":"2026-11-22T22:49:09.756963Z","by":"ann","kind":"step.finished","step":"rehearse/backup","summary":"done","evidence":{"rows":7},"seconds":0.016,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',22,'step.noted','rehearse/machine','{"format":1,"at":"2026-11-22T22:49:09.774219Z","by":"ann","kind":"step.noted","step":"rehearse/machine","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',23,'step.finished','rehearse/machine','{"format":1,"at":"2026-11-22T22:49:09.776955Z","by":"ann","kind":"step.finished","step":"rehearse/machine","summary":"done","evidence":{"rows":7},"seconds":0.003,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',24,'step.started','rehearse/configure','{"format":1,"at":"2026-11-22T22:49:09.784325Z","by":"ann","kind":"step.started","step":"rehearse/configure","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',25,'step.noted','rehearse/configure','{"format":1,"at":"2026-11-22T22:49:09.795993Z","by":"ann","kind":"step.noted","step":"rehearse/configure","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',26,'step.finished','rehearse/configure','{"format":1,"at":"2026-11-22T22:49:09.799327Z","by":"ann","kind":"step.finished","step":"rehearse/configure","summary":"done","evidence":{"rows":7},"seconds":0.003,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',27,'step.started','rehearse/clone','{"format":1,"at":"2026-11-22T22:49:09.808555Z","by":"ann","kind":"step.started","step":"rehearse/clone","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',28,'step.noted','rehearse/clone','{"format":1,"at":"2026-11-22T22:49:09.835173Z","by":"ann","kind":"step.noted","step":"rehearse/clone","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',29,'step.finished','rehearse/clone','{"format":1,"at":"2026-11-22T22:49:09.862804Z","by":"ann","kind":"step.finished","step":"rehearse/clone","summary":"done","evidence":{"rows":7},"seconds":0.028,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',30,'step.started','rehearse/db_sync-cinder','{"format":1,"at":"2026-11-22T22:49:09.868795Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-cinder","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',31,'step.started','rehearse/db_sync-glance','{"format":1,"at":"2026-11-22T22:49:09.869648Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-glance","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',32,'step.started','rehearse/db_sync-heat','{"format":1,"at":"2026-11-22T22:49:09.869799Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-heat","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',33,'step.started','rehearse/db_sync-keystone','{"format":1,"at":"2026-11-22T22:49:09.870020Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-keystone","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',34,'step.noted','rehearse/db_sync-keystone','{"format":1,"at":"2026-11-22T22:49:09.888936Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-keystone","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',35,'step.started','rehearse/db_sync-placement','{"format":1,"at":"2026-11-22T22:49:09.870210Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-placement","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',36,'step.noted','rehearse/db_sync-cinder','{"format":1,"at":"2026-11-22T22:49:09.871643Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-cinder","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',37,'step.noted','rehearse/db_sync-glance','{"format":1,"at":"2026-11-22T22:49:09.879027Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-glance","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',38,'step.finished','rehearse/db_sync-glance','{"format":1,"at":"2026-11-22T22:49:09.920398Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-glance","summary":"done","evidence":{"rows":7},"seconds":0.041,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',39,'step.started','rehearse/db_sync-neutron','{"format":1,"at":"2026-11-22T22:49:09.870122Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-neutron","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',40,'step.noted','rehearse/db_sync-neutron','{"format":1,"at":"2026-11-22T22:49:09.944956Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-neutron","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',41,'step.finished','rehearse/db_sync-neutron','{"format":1,"at":"2026-11-22T22:49:09.967874Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-neutron","summary":"done","evidence":{"rows":7},"seconds":0.023,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',42,'step.finished','rehearse/db_sync-cinder','{"format":1,"at":"2026-11-22T22:49:09.919239Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-cinder","summary":"done","evidence":{"rows":7},"seconds":0.048,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',43,'step.noted','rehearse/db_sync-heat','{"format":1,"at":"2026-11-22T22:49:09.886271Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-heat","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',44,'step.finished','rehearse/db_sync-heat','{"format":1,"at":"2026-11-22T22:49:09.987020Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-heat","summary":"done","evidence":{"rows":7},"seconds":0.101,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',45,'step.noted','rehearse/db_sync-placement','{"format":1,"at":"2026-11-22T22:49:09.899098Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-placement","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',46,'step.finished','rehearse/db_sync-keystone','{"format":1,"at":"2026-11-22T22:49:09.890679Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-keystone","summary":"done","evidence":{"rows":7},"seconds":0.002,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',47,'step.finished','rehearse/db_sync-placement','{"format":1,"at":"2026-11-22T22:49:09.996633Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-placement","summary":"done","evidence":{"rows":7},"seconds":0.098,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',48,'step.started','rehearse/db_sync-nova','{"format":1,"at":"2026-11-22T22:49:10.011218Z","by":"ann","kind":"step.started","step":"rehearse/db_sync-nova","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',49,'step.noted','rehearse/db_sync-nova','{"format":1,"at":"2026-11-22T22:49:10.029523Z","by":"ann","kind":"step.noted","step":"rehearse/db_sync-nova","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',50,'step.finished','rehearse/db_sync-nova','{"format":1,"at":"2026-11-22T22:49:10.032736Z","by":"ann","kind":"step.finished","step":"rehearse/db_sync-nova","summary":"done","evidence":{"rows":7},"seconds":0.003,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',51,'step.started','rehearse/start','{"format":1,"at":"2026-11-22T22:49:10.039664Z","by":"ann","kind":"step.started","step":"rehearse/start","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',52,'step.noted','rehearse/start','{"format":1,"at":"2026-11-22T22:49:10.043152Z","by":"ann","kind":"step.noted","step":"rehearse/start","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',53,'step.finished','rehearse/start','{"format":1,"at":"2026-11-22T22:49:10.050323Z","by":"ann","kind":"step.finished","step":"rehearse/start","summary":"done","evidence":{"rows":7},"seconds":0.007,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',54,'step.started','rehearse/lists','{"format":1,"at":"2026-11-22T22:49:10.055511Z","by":"ann","kind":"step.started","step":"rehearse/lists","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',55,'step.noted','rehearse/lists','{"format":1,"at":"2026-11-22T22:49:10.066197Z","by":"ann","kind":"step.noted","step":"rehearse/lists","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',56,'step.finished','rehearse/lists','{"format":1,"at":"2026-11-22T22:49:10.096051Z","by":"ann","kind":"step.finished","step":"rehearse/lists","summary":"done","evidence":{"rows":7},"seconds":0.03,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',57,'step.started','rehearse/compare','{"format":1,"at":"2026-11-22T22:49:10.099694Z","by":"ann","kind":"step.started","step":"rehearse/compare","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',58,'step.noted','rehearse/compare','{"format":1,"at":"2026-11-22T22:49:10.139923Z","by":"ann","kind":"step.noted","step":"rehearse/compare","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',59,'step.finished','rehearse/compare','{"format":1,"at":"2026-11-22T22:49:10.145670Z","by":"ann","kind":"step.finished","step":"rehearse/compare","summary":"done","evidence":{"rows":7},"seconds":0.006,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',60,'step.started','rehearse/stop','{"format":1,"at":"2026-11-22T22:49:10.154851Z","by":"ann","kind":"step.started","step":"rehearse/stop","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',61,'step.noted','rehearse/stop','{"format":1,"at":"2026-11-22T22:49:10.157407Z","by":"ann","kind":"step.noted","step":"rehearse/stop","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',62,'step.finished','rehearse/stop','{"format":1,"at":"2026-11-22T22:49:10.163668Z","by":"ann","kind":"step.finished","step":"rehearse/stop","summary":"done","evidence":{"rows":7},"seconds":0.006,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',63,'gate.asked',NULL,'{"format":1,"at":"2026-11-22T22:49:10.170717Z","by":"ann","kind":"gate.asked","gate":"rehearse/approve","fingerprint":"d4789b940528e28eea912f9b0791d60fa24682ef7a806547a21e6bbcbf204bed","asking":"923ad05632fb1945","expires_at":null}');
INSERT INTO "events" VALUES('control-d4789b940528-1',64,'gate.approved',NULL,'{"format":1,"at":"2026-11-22T22:49:10.187863Z","by":"bob","gate":"rehearse/approve","fingerprint":"d4789b940528e28eea912f9b0791d60fa24682ef7a806547a21e6bbcbf204bed","asking":"923ad05632fb1945","comment":"seen","origin":"bob@ctl","signature":"51a6b61d57ec474273f94e6a77681c0050e0f36ce73a3cc63eb886552d7fcf86","kind":"gate.approved"}');
INSERT INTO "events" VALUES('control-d4789b940528-1',65,'run.resumed',NULL,'{"format":1,"at":"2026-11-22T22:49:10.416320Z","by":"ann","runner":"197081655698","host":"ctl","pid":7,"saltus":"0.1.0","kind":"run.resumed"}');
INSERT INTO "events" VALUES('control-d4789b940528-1',66,'step.started','prepare/image-ctl01','{"format":1,"at":"2026-11-22T22:49:10.420380Z","by":"ann","kind":"step.started","step":"prepare/image-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',67,'step.noted','prepare/image-ctl01','{"format":1,"at":"2026-11-22T22:49:10.428944Z","by":"ann","kind":"step.noted","step":"prepare/image-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',68,'step.finished','prepare/image-ctl01','{"format":1,"at":"2026-11-22T22:49:10.438864Z","by":"ann","kind":"step.finished","step":"prepare/image-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.01,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',69,'step.started','prepare/image-prx01','{"format":1,"at":"2026-11-22T22:49:10.428548Z","by":"ann","kind":"step.started","step":"prepare/image-prx01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',70,'step.noted','prepare/image-prx01','{"format":1,"at":"2026-11-22T22:49:10.477251Z","by":"ann","kind":"step.noted","step":"prepare/image-prx01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',71,'step.started','prepare/machine-ctl01','{"format":1,"at":"2026-11-22T22:49:10.467040Z","by":"ann","kind":"step.started","step":"prepare/machine-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',72,'step.noted','prepare/machine-ctl01','{"format":1,"at":"2026-11-22T22:49:10.494655Z","by":"ann","kind":"step.noted","step":"prepare/machine-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',73,'step.finished','prepare/image-prx01','{"format":1,"at":"2026-11-22T22:49:10.489673Z","by":"ann","kind":"step.finished","step":"prepare/image-prx01","summary":"done","evidence":{"rows":7},"seconds":0.012,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',74,'step.finished','prepare/machine-ctl01','{"format":1,"at":"2026-11-22T22:49:10.504101Z","by":"ann","kind":"step.finished","step":"prepare/machine-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.009,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',75,'step.started','prepare/machine-prx01','{"format":1,"at":"2026-11-22T22:49:10.505489Z","by":"ann","kind":"step.started","step":"prepare/machine-prx01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',76,'step.noted','prepare/machine-prx01','{"format":1,"at":"2026-11-22T22:49:10.511758Z","by":"ann","kind":"step.noted","step":"prepare/machine-prx01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',77,'step.started','prepare/configure-ctl01','{"format":1,"at":"2026-11-22T22:49:10.506797Z","by":"ann","kind":"step.started","step":"prepare/configure-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',78,'step.noted','prepare/configure-ctl01','{"format":1,"at":"2026-11-22T22:49:10.523901Z","by":"ann","kind":"step.noted","step":"prepare/configure-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',79,'step.finished','prepare/machine-prx01','{"format":1,"at":"2026-11-22T22:49:10.518016Z","by":"ann","kind":"step.finished","step":"prepare/machine-prx01","summary":"done","evidence":{"rows":7},"seconds":0.006,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',80,'step.started','prepare/configure-prx01','{"format":1,"at":"2026-11-22T22:49:10.562576Z","by":"ann","kind":"step.started","step":"prepare/configure-prx01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',81,'step.finished','prepare/configure-ctl01','{"format":1,"at":"2026-11-22T22:49:10.546579Z","by":"ann","kind":"step.finished","step":"prepare/configure-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.023,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',82,'step.noted','prepare/configure-prx01','{"format":1,"at":"2026-11-22T22:49:10.570584Z","by":"ann","kind":"step.noted","step":"prepare/configure-prx01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',83,'step.finished','prepare/configure-prx01','{"format":1,"at":"2026-11-22T22:49:10.581464Z","by":"ann","kind":"step.finished","step":"prepare/configure-prx01","summary":"done","evidence":{"rows":7},"seconds":0.011,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',84,'step.started','prepare/start-ctl01','{"format":1,"at":"2026-11-22T22:49:10.571681Z","by":"ann","kind":"step.started","step":"prepare/start-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',85,'step.noted','prepare/start-ctl01','{"format":1,"at":"2026-11-22T22:49:10.590696Z","by":"ann","kind":"step.noted","step":"prepare/start-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',86,'step.started','prepare/start-prx01','{"format":1,"at":"2026-11-22T22:49:10.583091Z","by":"ann","kind":"step.started","step":"prepare/start-prx01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',87,'step.finished','prepare/start-ctl01','{"format":1,"at":"2026-11-22T22:49:10.594739Z","by":"ann","kind":"step.finished","step":"prepare/start-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.004,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',88,'step.noted','prepare/start-prx01','{"format":1,"at":"2026-11-22T22:49:10.613976Z","by":"ann","kind":"step.noted","step":"prepare/start-prx01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',89,'step.finished','prepare/start-prx01','{"format":1,"at":"2026-11-22T22:49:10.615902Z","by":"ann","kind":"step.finished","step":"prepare/start-prx01","summary":"done","evidence":{"rows":7},"seconds":0.002,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',90,'step.started','prepare/warm-ctl01','{"format":1,"at":"2026-11-22T22:49:10.616568Z","by":"ann","kind":"step.started","step":"prepare/warm-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',91,'step.noted','prepare/warm-ctl01','{"format":1,"at":"2026-11-22T22:49:10.617125Z","by":"ann","kind":"step.noted","step":"prepare/warm-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',92,'step.finished','prepare/warm-ctl01','{"format":1,"at":"2026-11-22T22:49:10.617646Z","by":"ann","kind":"step.finished","step":"prepare/warm-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.001,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',93,'step.started','real-upgrade/lists-before','{"format":1,"at":"2026-11-22T22:49:10.618413Z","by":"ann","kind":"step.started","step":"real-upgrade/lists-before","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',94,'step.noted','real-upgrade/lists-before','{"format":1,"at":"2026-11-22T22:49:10.626387Z","by":"ann","kind":"step.noted","step":"real-upgrade/lists-before","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',95,'step.finished','real-upgrade/lists-before','{"format":1,"at":"2026-11-22T22:49:10.633673Z","by":"ann","kind":"step.finished","step":"real-upgrade/lists-before","summary":"done","evidence":{"rows":7},"seconds":0.007,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',96,'step.started','real-upgrade/stop-ctl01','{"format":1,"at":"2026-11-22T22:49:10.637683Z","by":"ann","kind":"step.started","step":"real-upgrade/stop-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',97,'step.noted','real-upgrade/stop-ctl01','{"format":1,"at":"2026-11-22T22:49:10.642056Z","by":"ann","kind":"step.noted","step":"real-upgrade/stop-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',98,'step.finished','real-upgrade/stop-ctl01','{"format":1,"at":"2026-11-22T22:49:10.645516Z","by":"ann","kind":"step.finished","step":"real-upgrade/stop-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.003,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',99,'step.started','real-upgrade/freeze','{"format":1,"at":"2026-11-22T22:49:10.656438Z","by":"ann","kind":"step.started","step":"real-upgrade/freeze","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',100,'step.noted','real-upgrade/freeze','{"format":1,"at":"2026-11-22T22:49:10.670920Z","by":"ann","kind":"step.noted","step":"real-upgrade/freeze","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',101,'step.finished','real-upgrade/freeze','{"format":1,"at":"2026-11-22T22:49:10.692322Z","by":"ann","kind":"step.finished","step":"real-upgrade/freeze","summary":"done","evidence":{"rows":7},"seconds":0.021,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',102,'step.started','real-upgrade/db_sync-cinder','{"format":1,"at":"2026-11-22T22:49:10.701073Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-cinder","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',103,'step.started','real-upgrade/db_sync-glance','{"format":1,"at":"2026-11-22T22:49:10.701746Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-glance","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',104,'step.started','real-upgrade/db_sync-heat','{"format":1,"at":"2026-11-22T22:49:10.701838Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-heat","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',105,'step.started','real-upgrade/db_sync-keystone','{"format":1,"at":"2026-11-22T22:49:10.701927Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-keystone","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',106,'step.noted','real-upgrade/db_sync-keystone','{"format":1,"at":"2026-11-22T22:49:10.834774Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-keystone","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',107,'step.started','real-upgrade/db_sync-placement','{"format":1,"at":"2026-11-22T22:49:10.702112Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-placement","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',108,'step.noted','real-upgrade/db_sync-placement','{"format":1,"at":"2026-11-22T22:49:10.919712Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-placement","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',109,'step.noted','real-upgrade/db_sync-glance','{"format":1,"at":"2026-11-22T22:49:10.772563Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-glance","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',110,'step.noted','real-upgrade/db_sync-heat','{"format":1,"at":"2026-11-22T22:49:10.774537Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-heat","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',111,'step.finished','real-upgrade/db_sync-heat','{"format":1,"at":"2026-11-22T22:49:10.974763Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-heat","summary":"done","evidence":{"rows":7},"seconds":0.2,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',112,'step.noted','real-upgrade/db_sync-cinder','{"format":1,"at":"2026-11-22T22:49:10.771263Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-cinder","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',113,'step.finished','real-upgrade/db_sync-placement','{"format":1,"at":"2026-11-22T22:49:10.932560Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-placement","summary":"done","evidence":{"rows":7},"seconds":0.013,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',114,'step.started','real-upgrade/db_sync-nova','{"format":1,"at":"2026-11-22T22:49:11.052356Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-nova","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',115,'step.noted','real-upgrade/db_sync-nova','{"format":1,"at":"2026-11-22T22:49:11.053609Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-nova","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',116,'step.finished','real-upgrade/db_sync-nova','{"format":1,"at":"2026-11-22T22:49:11.082979Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-nova","summary":"done","evidence":{"rows":7},"seconds":0.029,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',117,'step.finished','real-upgrade/db_sync-cinder','{"format":1,"at":"2026-11-22T22:49:11.024935Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-cinder","summary":"done","evidence":{"rows":7},"seconds":0.254,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',118,'step.finished','real-upgrade/db_sync-glance','{"format":1,"at":"2026-11-22T22:49:10.958148Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-glance","summary":"done","evidence":{"rows":7},"seconds":0.186,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',119,'step.started','real-upgrade/db_sync-neutron','{"format":1,"at":"2026-11-22T22:49:10.702036Z","by":"ann","kind":"step.started","step":"real-upgrade/db_sync-neutron","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',120,'step.started','real-upgrade/start-heat-ctl01','{"format":1,"at":"2026-11-22T22:49:10.997974Z","by":"ann","kind":"step.started","step":"real-upgrade/start-heat-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',121,'step.started','real-upgrade/start-placement-ctl01','{"format":1,"at":"2026-11-22T22:49:11.121790Z","by":"ann","kind":"step.started","step":"real-upgrade/start-placement-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',122,'step.noted','real-upgrade/start-placement-ctl01','{"format":1,"at":"2026-11-22T22:49:11.235673Z","by":"ann","kind":"step.noted","step":"real-upgrade/start-placement-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',123,'step.finished','real-upgrade/start-placement-ctl01','{"format":1,"at":"2026-11-22T22:49:11.257247Z","by":"ann","kind":"step.finished","step":"real-upgrade/start-placement-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.022,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',124,'step.started','real-upgrade/start-nova-ctl01','{"format":1,"at":"2026-11-22T22:49:11.259208Z","by":"ann","kind":"step.started","step":"real-upgrade/start-nova-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',125,'step.noted','real-upgrade/start-nova-ctl01','{"format":1,"at":"2026-11-22T22:49:11.298813Z","by":"ann","kind":"step.noted","step":"real-upgrade/start-nova-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',126,'step.finished','real-upgrade/start-nova-ctl01','{"format":1,"at":"2026-11-22T22:49:11.359394Z","by":"ann","kind":"step.finished","step":"real-upgrade/start-nova-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.061,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',127,'step.started','real-upgrade/start-glance-ctl01','{"format":1,"at":"2026-11-22T22:49:11.167935Z","by":"ann","kind":"step.started","step":"real-upgrade/start-glance-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',128,'step.noted','real-upgrade/db_sync-neutron','{"format":1,"at":"2026-11-22T22:49:11.196086Z","by":"ann","kind":"step.noted","step":"real-upgrade/db_sync-neutron","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',129,'step.finished','real-upgrade/db_sync-neutron','{"format":1,"at":"2026-11-22T22:49:11.442857Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-neutron","summary":"done","evidence":{"rows":7},"seconds":0.247,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',130,'pause.requested',NULL,'{"format":1,"at":"2026-11-22T22:49:11.508925Z","by":"ann","kind":"pause.requested","reason":""}');
INSERT INTO "events" VALUES('control-d4789b940528-1',131,'step.noted','real-upgrade/start-glance-ctl01','{"format":1,"at":"2026-11-22T22:49:11.398788Z","by":"ann","kind":"step.noted","step":"real-upgrade/start-glance-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',132,'step.finished','real-upgrade/start-glance-ctl01','{"format":1,"at":"2026-11-22T22:49:11.521681Z","by":"ann","kind":"step.finished","step":"real-upgrade/start-glance-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.123,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',133,'step.started','real-upgrade/start-neutron-ctl01','{"format":1,"at":"2026-11-22T22:49:11.488301Z","by":"ann","kind":"step.started","step":"real-upgrade/start-neutron-ctl01","attempt":1}');
INSERT INTO "events" VALUES('control-d4789b940528-1',134,'step.noted','real-upgrade/start-neutron-ctl01','{"format":1,"at":"2026-11-22T22:49:11.532633Z","by":"ann","kind":"step.noted","step":"real-upgrade/start-neutron-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',135,'step.finished','real-upgrade/start-neutron-ctl01','{"format":1,"at":"2026-11-22T22:49:11.537916Z","by":"ann","kind":"step.finished","step":"real-upgrade/start-neutron-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.005,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',136,'step.finished','real-upgrade/db_sync-keystone','{"format":1,"at":"2026-11-22T22:49:11.511933Z","by":"ann","kind":"step.finished","step":"real-upgrade/db_sync-keystone","summary":"done","evidence":{"rows":7},"seconds":0.677,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',137,'step.noted','real-upgrade/start-heat-ctl01','{"format":1,"at":"2026-11-22T22:49:11.212903Z","by":"ann","kind":"step.noted","step":"real-upgrade/start-heat-ctl01","data":{"jid":"20261122210000000042"}}');
INSERT INTO "events" VALUES('control-d4789b940528-1',138,'step.finished','real-upgrade/start-heat-ctl01','{"format":1,"at":"2026-11-22T22:49:11.571692Z","by":"ann","kind":"step.finished","step":"real-upgrade/start-heat-ctl01","summary":"done","evidence":{"rows":7},"seconds":0.359,"verified":false}');
INSERT INTO "events" VALUES('control-d4789b940528-1',139,'run.paused',NULL,'{"format":1,"at":"2026-11-22T22:49:11.580242Z","by":"ann","kind":"run.paused","reason":"ann asked for it","step":null}');
CREATE TABLE leases (
	run VARCHAR(128) NOT NULL, 
	runner VARCHAR(64) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	"by" VARCHAR(255) NOT NULL, 
	until FLOAT NOT NULL, place VARCHAR(128) DEFAULT '' NOT NULL, 
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
INSERT INTO "locks" VALUES('small','cmp01','control-d4789b940528-1');
INSERT INTO "locks" VALUES('small','ctl01-a','control-d4789b940528-1');
INSERT INTO "locks" VALUES('small','ctl01-b','control-d4789b940528-1');
INSERT INTO "locks" VALUES('small','dbs01','control-d4789b940528-1');
INSERT INTO "locks" VALUES('small','prx01-a','control-d4789b940528-1');
INSERT INTO "locks" VALUES('small','prx01-b','control-d4789b940528-1');
INSERT INTO "locks" VALUES('small','upg01','control-d4789b940528-1');
CREATE TABLE plans (
	fingerprint VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	cloud VARCHAR(255) NOT NULL, 
	json TEXT NOT NULL, 
	saved_at VARCHAR(40) NOT NULL, 
	PRIMARY KEY (fingerprint)
);
INSERT INTO "plans" VALUES('d4789b940528e28eea912f9b0791d60fa24682ef7a806547a21e6bbcbf204bed','control','small','{
 "format": 1,
 "name": "control",
 "cloud": "small",
 "source": "zed",
 "target": "epoxy",
 "facts": {
  "cmp01 is deployed as": "zed",
  "ctl01-a is deployed as": "zed",
  "dbs01 is deployed as": "zed",
  "msg01 is deployed as": "zed",
  "prx01-a is deployed as": "zed",
  "schema of cinder": "c92a3e68beed",
  "schema of glance": "wallaby_contract01",
  "schema of heat": "86",
  "schema of keystone": "29e87d24a316 e25ffa003242",
  "schema of neutron": "5881373af7f5 5c85685d616d",
  "schema of nova": "ccb0fa1a2252",
  "schema of nova_api": "b30f573d3377",
  "schema of nova_cell0": "ccb0fa1a2252",
  "schema of placement": "422ece571366",
  "virtual address at": "prx01-a"
 },
 "stages": [
  {
   "id": "check",
   "title": "Look at the cloud as it is",
   "impact": "no impact",
   "way_back": "nothing is changed",
   "steps": [
    {
     "id": "check/facts",
     "title": "Compare the cloud with the facts of this plan",
     "action": {
      "kind": "facts.check"
     },
     "lane": null
    },
    {
     "id": "check/versions",
     "title": "Write the versions down",
     "action": {
      "kind": "facts.versions"
     },
     "lane": null
    },
    {
     "id": "check/lists",
     "title": "Keep the API lists of zed",
     "action": {
      "kind": "api.list",
      "auth_host": "10.77.0.10",
      "label": "source",
      "like": null
     },
     "lane": null
    }
   ],
   "gate": null
  },
  {
   "id": "rehearse",
   "title": "Rehearse epoxy on a clone of the databases",
   "impact": "no impact",
   "way_back": "nothing to undo: upg01 reaches nothing of the cloud, and destroying it removes the clone",
   "steps": [
    {
     "id": "rehearse/image",
     "title": "Build the image of upg01",
     "action": {
      "kind": "image.build",
      "image": "upg-epoxy",
      "node": "upg01",
      "release": "epoxy"
     },
     "lane": "machine"
    },
    {
     "id": "rehearse/machine",
     "title": "Create upg01, isolated",
     "action": {
      "kind": "machine.create",
      "machine": "upg01",
      "node": "upg01",
      "release": "epoxy",
      "image": "upg-epoxy",
      "slot": null,
      "fresh": true,
      "isolated": true
     },
     "lane": "machine"
    },
    {
     "id": "rehearse/configure",
     "title": "Configure upg01",
     "action": {
      "kind": "salt.state",
      "target": "upg01",
      "states": [],
      "timeout_s": 900.0
     },
     "lane": "machine"
    },
    {
     "id": "rehearse/backup",
     "title": "Back up the databases of dbs01, while they serve",
     "action": {
      "kind": "database.back-up",
      "server": "dbs01",
      "label": "rehearsal",
      "databases": [
       "cinder",
       "glance",
       "heat",
       "keystone",
       "neutron",
       "nova",
       "nova_api",
       "nova_cell0",
       "placement"
      ],
      "method": "logical",
      "frozen": false
     },
     "lane": "backup"
    },
    {
     "id": "rehearse/clone",
     "title": "Clone 9 databases to upg01",
     "action": {
      "kind": "database.clone",
      "server": "dbs01",
      "label": "rehearsal",
      "to": "upg01",
      "databases": [
       "cinder",
       "glance",
       "heat",
       "keystone",
       "neutron",
       "nova",
       "nova_api",
       "nova_cell0",
       "placement"
      ]
     },
     "lane": null
    },
    {
     "id": "rehearse/db_sync-cinder",
     "title": "db_sync of cinder on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "cinder",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "cinder-manage",
         "db",
         "sync"
        ],
        "user": "cinder",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "cinder": [
        "9c74c1c6971f"
       ]
      }
     },
     "lane": "cinder"
    },
    {
     "id": "rehearse/db_sync-glance",
     "title": "db_sync of glance on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "glance",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "glance-manage",
         "db",
         "sync"
        ],
        "user": "glance",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "glance": [
        "2024_1_contract01"
       ]
      }
     },
     "lane": "glance"
    },
    {
     "id": "rehearse/db_sync-heat",
     "title": "db_sync of heat on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "heat",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "heat-manage",
         "db_sync"
        ],
        "user": "heat",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "heat": [
        "c6214ca60943"
       ]
      }
     },
     "lane": "heat"
    },
    {
     "id": "rehearse/db_sync-keystone",
     "title": "db_sync of keystone on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "keystone",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "keystone-manage",
         "db_sync"
        ],
        "user": "keystone",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "keystone": [
        "47147121",
        "c88cdce8f248"
       ]
      }
     },
     "lane": "keystone"
    },
    {
     "id": "rehearse/db_sync-neutron",
     "title": "db_sync of neutron on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "neutron",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "neutron-db-manage",
         "--config-file",
         "/etc/neutron/neutron.conf",
         "--config-file",
         "/etc/neutron/plugins/ml2/ml2_conf.ini",
         "upgrade",
         "heads"
        ],
        "user": "neutron",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "neutron": [
        "5c85685d616d",
        "ad80a9f07c5c"
       ]
      }
     },
     "lane": "neutron"
    },
    {
     "id": "rehearse/db_sync-placement",
     "title": "db_sync of placement on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "placement",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "placement-manage",
         "db",
         "sync"
        ],
        "user": "placement",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "placement": [
        "a082b8bb98d0"
       ]
      }
     },
     "lane": "nova"
    },
    {
     "id": "rehearse/db_sync-nova",
     "title": "db_sync of nova on the clone",
     "action": {
      "kind": "database.db_sync",
      "service": "nova",
      "machine": "upg01",
      "database_server": "upg01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "nova-manage",
         "api_db",
         "sync"
        ],
        "user": "nova",
        "exit_codes": [
         0
        ]
       },
       {
        "argv": [
         "nova-manage",
         "db",
         "sync"
        ],
        "user": "nova",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "nova_api": [
        "cdeec0c85668"
       ],
       "nova_cell0": [
        "2903cd72dc14"
       ],
       "nova": [
        "2903cd72dc14"
       ]
      }
     },
     "lane": "nova"
    },
    {
     "id": "rehearse/start",
     "title": "Start the services of upg01",
     "action": {
      "kind": "services.start",
      "machine": "upg01",
      "services": [],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": null
    },
    {
     "id": "rehearse/lists",
     "title": "Ask the APIs of upg01",
     "action": {
      "kind": "api.list",
      "auth_host": "10.77.0.51",
      "label": "rehearsed",
      "like": null
     },
     "lane": null
    },
    {
     "id": "rehearse/compare",
     "title": "Compare them with the running cloud''s",
     "action": {
      "kind": "api.compare",
      "before": "source",
      "after": "rehearsed",
      "rehearsal": true
     },
     "lane": null
    },
    {
     "id": "rehearse/stop",
     "title": "Stop upg01; its disk is kept until the next rehearsal",
     "action": {
      "kind": "machine.stop",
      "machine": "upg01"
     },
     "lane": null
    }
   ],
   "gate": {
    "id": "rehearse/approve",
    "question": "The rehearsal on epoxy passed. Upgrade the control plane for real?",
    "role": "approver",
    "answers": 1,
    "expires_after": null,
    "on_expiry": "pause",
    "evidence": [
     "rehearse/compare"
    ]
   }
  },
  {
   "id": "prepare",
   "title": "Build the idle slot on epoxy while the old one serves",
   "impact": "no impact",
   "way_back": "destroy ctl01-b and prx01-b: nothing uses them yet",
   "steps": [
    {
     "id": "prepare/image-ctl01",
     "title": "Build the image ctl-epoxy",
     "action": {
      "kind": "image.build",
      "image": "ctl-epoxy",
      "node": "ctl01",
      "release": "epoxy"
     },
     "lane": "ctl01"
    },
    {
     "id": "prepare/machine-ctl01",
     "title": "Create ctl01-b",
     "action": {
      "kind": "machine.create",
      "machine": "ctl01-b",
      "node": "ctl01",
      "release": "epoxy",
      "image": "ctl-epoxy",
      "slot": "b",
      "fresh": true,
      "isolated": false
     },
     "lane": "ctl01"
    },
    {
     "id": "prepare/configure-ctl01",
     "title": "Configure ctl01-b",
     "action": {
      "kind": "salt.state",
      "target": "ctl01-b",
      "states": [
       "saltus.configured"
      ],
      "timeout_s": 900.0
     },
     "lane": "ctl01"
    },
    {
     "id": "prepare/image-prx01",
     "title": "Build the image prx-epoxy",
     "action": {
      "kind": "image.build",
      "image": "prx-epoxy",
      "node": "prx01",
      "release": "epoxy"
     },
     "lane": "prx01"
    },
    {
     "id": "prepare/machine-prx01",
     "title": "Create prx01-b",
     "action": {
      "kind": "machine.create",
      "machine": "prx01-b",
      "node": "prx01",
      "release": "epoxy",
      "image": "prx-epoxy",
      "slot": "b",
      "fresh": true,
      "isolated": false
     },
     "lane": "prx01"
    },
    {
     "id": "prepare/configure-prx01",
     "title": "Configure prx01-b",
     "action": {
      "kind": "salt.state",
      "target": "prx01-b",
      "states": [
       "saltus.configured"
      ],
      "timeout_s": 900.0
     },
     "lane": "prx01"
    },
    {
     "id": "prepare/start-ctl01",
     "title": "Start what ctl01-b may start before the window",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "memcached",
       "keystone",
       "glance",
       "placement"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "ctl01"
    },
    {
     "id": "prepare/start-prx01",
     "title": "Start what prx01-b may start before the window",
     "action": {
      "kind": "services.start",
      "machine": "prx01-b",
      "services": [],
      "wait": false,
      "timeout_s": 300.0
     },
     "lane": "prx01"
    },
    {
     "id": "prepare/warm-ctl01",
     "title": "Read the programs of ctl01-b into memory",
     "action": {
      "kind": "services.prepare-start",
      "machine": "ctl01-b"
     },
     "lane": null
    }
   ],
   "gate": null
  },
  {
   "id": "real-upgrade",
   "title": "Move the control plane to epoxy",
   "impact": "API down",
   "way_back": "saltus rollback: the frozen databases and slot a, until saltus accept",
   "steps": [
    {
     "id": "real-upgrade/lists-before",
     "title": "Keep the API lists of zed as they are now",
     "action": {
      "kind": "api.list",
      "auth_host": "10.77.0.10",
      "label": "before",
      "like": null
     },
     "lane": null
    },
    {
     "id": "real-upgrade/stop-ctl01",
     "title": "Stop the services of ctl01-a: writing ends",
     "action": {
      "kind": "services.stop",
      "machine": "ctl01-a",
      "services": []
     },
     "lane": null
    },
    {
     "id": "real-upgrade/freeze",
     "title": "Freeze: back up the databases of dbs01 and take their checksums",
     "action": {
      "kind": "database.back-up",
      "server": "dbs01",
      "label": "frozen",
      "databases": [
       "cinder",
       "glance",
       "heat",
       "keystone",
       "neutron",
       "nova",
       "nova_api",
       "nova_cell0",
       "placement"
      ],
      "method": "logical",
      "frozen": true
     },
     "lane": null
    },
    {
     "id": "real-upgrade/db_sync-cinder",
     "title": "db_sync of cinder",
     "action": {
      "kind": "database.db_sync",
      "service": "cinder",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "cinder-manage",
         "db",
         "sync"
        ],
        "user": "cinder",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "cinder": [
        "9c74c1c6971f"
       ]
      }
     },
     "lane": "cinder"
    },
    {
     "id": "real-upgrade/start-cinder-ctl01",
     "title": "Start cinder on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "cinder"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "cinder"
    },
    {
     "id": "real-upgrade/db_sync-glance",
     "title": "db_sync of glance",
     "action": {
      "kind": "database.db_sync",
      "service": "glance",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "glance-manage",
         "db",
         "sync"
        ],
        "user": "glance",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "glance": [
        "2024_1_contract01"
       ]
      }
     },
     "lane": "glance"
    },
    {
     "id": "real-upgrade/start-glance-ctl01",
     "title": "Start glance on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "glance"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "glance"
    },
    {
     "id": "real-upgrade/db_sync-heat",
     "title": "db_sync of heat",
     "action": {
      "kind": "database.db_sync",
      "service": "heat",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "heat-manage",
         "db_sync"
        ],
        "user": "heat",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "heat": [
        "c6214ca60943"
       ]
      }
     },
     "lane": "heat"
    },
    {
     "id": "real-upgrade/start-heat-ctl01",
     "title": "Start heat on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "heat"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "heat"
    },
    {
     "id": "real-upgrade/db_sync-keystone",
     "title": "db_sync of keystone",
     "action": {
      "kind": "database.db_sync",
      "service": "keystone",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "keystone-manage",
         "db_sync"
        ],
        "user": "keystone",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "keystone": [
        "47147121",
        "c88cdce8f248"
       ]
      }
     },
     "lane": "keystone"
    },
    {
     "id": "real-upgrade/start-keystone-ctl01",
     "title": "Start keystone on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "keystone"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "keystone"
    },
    {
     "id": "real-upgrade/db_sync-neutron",
     "title": "db_sync of neutron",
     "action": {
      "kind": "database.db_sync",
      "service": "neutron",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "neutron-db-manage",
         "--config-file",
         "/etc/neutron/neutron.conf",
         "--config-file",
         "/etc/neutron/plugins/ml2/ml2_conf.ini",
         "upgrade",
         "heads"
        ],
        "user": "neutron",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "neutron": [
        "5c85685d616d",
        "ad80a9f07c5c"
       ]
      }
     },
     "lane": "neutron"
    },
    {
     "id": "real-upgrade/start-neutron-ctl01",
     "title": "Start neutron on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "neutron"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "neutron"
    },
    {
     "id": "real-upgrade/db_sync-placement",
     "title": "db_sync of placement",
     "action": {
      "kind": "database.db_sync",
      "service": "placement",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "placement-manage",
         "db",
         "sync"
        ],
        "user": "placement",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "placement": [
        "a082b8bb98d0"
       ]
      }
     },
     "lane": "nova"
    },
    {
     "id": "real-upgrade/db_sync-nova",
     "title": "db_sync of nova",
     "action": {
      "kind": "database.db_sync",
      "service": "nova",
      "machine": "ctl01-b",
      "database_server": "dbs01",
      "release": "epoxy",
      "commands": [
       {
        "argv": [
         "nova-manage",
         "api_db",
         "sync"
        ],
        "user": "nova",
        "exit_codes": [
         0
        ]
       },
       {
        "argv": [
         "nova-manage",
         "db",
         "sync"
        ],
        "user": "nova",
        "exit_codes": [
         0
        ]
       }
      ],
      "heads": {
       "nova_api": [
        "cdeec0c85668"
       ],
       "nova_cell0": [
        "2903cd72dc14"
       ],
       "nova": [
        "2903cd72dc14"
       ]
      }
     },
     "lane": "nova"
    },
    {
     "id": "real-upgrade/start-placement-ctl01",
     "title": "Start placement on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "placement"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "nova"
    },
    {
     "id": "real-upgrade/start-nova-ctl01",
     "title": "Start nova on ctl01-b",
     "action": {
      "kind": "services.start",
      "machine": "ctl01-b",
      "services": [
       "nova"
      ],
      "wait": true,
      "timeout_s": 300.0
     },
     "lane": "nova"
    },
    {
     "id": "real-upgrade/switch-prx01",
     "title": "Switch the virtual address to prx01-b",
     "action": {
      "kind": "proxy.switch",
      "take": "prx01-b",
      "leave": "prx01-a",
      "address": "10.77.0.10"
     },
     "lane": null
    }
   ],
   "gate": null
  },
  {
   "id": "verify",
   "title": "Verify through the front door",
   "impact": "no impact",
   "way_back": "saltus rollback, until saltus accept",
   "steps": [
    {
     "id": "verify/lists",
     "title": "Keep the API lists of epoxy",
     "action": {
      "kind": "api.list",
      "auth_host": "10.77.0.10",
      "label": "target",
      "like": "before"
     },
     "lane": null
    },
    {
     "id": "verify/compare",
     "title": "Compare them with the lists taken before",
     "action": {
      "kind": "api.compare",
      "before": "before",
      "after": "target",
      "rehearsal": false
     },
     "lane": null
    },
    {
     "id": "verify/boot-cmp01",
     "title": "Boot an instance through epoxy on cmp01, which still runs zed",
     "action": {
      "kind": "instance.boot",
      "name": "saltus-verify-cmp01",
      "host": "cmp01",
      "keep": false
     },
     "lane": null
    },
    {
     "id": "verify/prepare-backup",
     "title": "Make the frozen backup ready to be put back",
     "action": {
      "kind": "database.prepare-backup",
      "server": "dbs01",
      "label": "frozen"
     },
     "lane": null
    },
    {
     "id": "verify/versions",
     "title": "Write the versions down",
     "action": {
      "kind": "facts.versions"
     },
     "lane": null
    },
    {
     "id": "verify/power-off-ctl01-a",
     "title": "Power ctl01-a off; its disk is kept",
     "action": {
      "kind": "machine.stop",
      "machine": "ctl01-a"
     },
     "lane": "ctl01"
    },
    {
     "id": "verify/power-off-prx01-a",
     "title": "Power prx01-a off; its disk is kept",
     "action": {
      "kind": "machine.stop",
      "machine": "prx01-a"
     },
     "lane": "prx01"
    }
   ],
   "gate": {
    "id": "verify/keep",
    "question": "The cloud runs epoxy. Keep it? (no: saltus rollback takes it back to zed)",
    "role": "approver",
    "answers": 1,
    "expires_after": null,
    "on_expiry": "pause",
    "evidence": [
     "verify/compare",
     "verify/boot-cmp01"
    ]
   }
  }
 ]
}
','2026-11-22T22:49:09.137888+00:00');
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
INSERT INTO "runs" VALUES('control-d4789b940528-1','d4789b940528e28eea912f9b0791d60fa24682ef7a806547a21e6bbcbf204bed','control','small','2026-11-22T22:49:09.151807+00:00','ann',NULL);
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
