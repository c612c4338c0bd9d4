-- The same tables as Vigía's, and the obligation's row that a hand-written service would keep.
CREATE TABLE obligation (id bigint PRIMARY KEY, name varchar COLLATE "C" NOT NULL UNIQUE, state varchar NOT NULL, version integer NOT NULL,
                         received_at bigint);
CREATE TABLE report (name varchar COLLATE "C" PRIMARY KEY, obligation varchar COLLATE "C" NOT NULL, version integer NOT NULL, definition bytea NOT NULL,
                     UNIQUE (obligation, version));
CREATE SEQUENCE journal_position;
CREATE TABLE journal_entry (position bigint PRIMARY KEY, time bigint NOT NULL, caller varchar NOT NULL, permission varchar NOT NULL,
                            method varchar NOT NULL, call_id varchar NOT NULL, resource varchar COLLATE "C" NOT NULL, event_type varchar NOT NULL,
                            event bytea NOT NULL, salt bytea NOT NULL, leaf_hash bytea NOT NULL, institution varchar NOT NULL);
CREATE INDEX ON journal_entry (resource);
CREATE TABLE idempotency (key varchar COLLATE "C" PRIMARY KEY, request_hash bytea NOT NULL, answer bytea NOT NULL, position bigint NOT NULL,
                          time bigint NOT NULL);
INSERT INTO obligation
  SELECT n, 'plans/carga/assignments/i' || n / 4920 || '-a' || n % 60 || '/obligations/' || 2020 + n / 720 % 7 || '-' || n, 'OPEN', 0, NULL
  FROM generate_series(0, 157439) AS n;
VACUUM ANALYZE;
